"""Runs that become dearer on their way, and how long they take to hear of an interrupt or of a limit."""

import os
import signal
import threading
import time

import numpy as np
from numba import njit

import fastopt

AFTER = 400_000  # evaluations until they become dear: long slices by then
SPIN = 200_000  # times as dear: about 2 ms


@njit
def dearer(x, grad, calls, spin):
    """Never at its minimum; ``calls`` is (how often it was called, after how many calls it becomes dear)."""
    calls[0] += 1
    f = 0.0
    if calls[0] > calls[1]:
        for k in range(spin):
            f += np.cos(x[0] + k)
    grad[0] = 1.0 + 1e-300 * f
    return -calls[0] + 1e-300 * f


@njit
def dearer_loss(w, g, X):
    """For steps of 1: as many as taken, so many is w below 0. A row of X is (after how many it becomes dear, spin)."""
    f = 0.0
    if w[0] <= -X[0, 0]:
        for k in range(X[0, 1]):
            f += np.cos(w[0] + k)
    g[0] = 1.0
    return w[0] + 1e-300 * f


NEVER = {"lr": 1e-9, "gtol": 0.0, "maxiter": 10**9}


def one(fun, after, spin, **options):
    x0, calls = np.zeros(1), np.array([0, after])
    try:
        return fastopt.minimize(fun, x0, (calls, spin), "gd", "inplace", options=NEVER | options)
    finally:
        assert x0[0] == 0.0
        assert calls[1] == after


def many(fun, after, spin, k=40, **options):
    X0, calls = np.zeros((k, 1)), np.array([[0, after]] * k)
    try:
        return fastopt.minimize_many(fun, X0, (calls,), (spin,), "gd", "inplace", options=NEVER | options)
    finally:
        assert not X0.any()


def serial(*given, **options):
    """As where no thread may be launched."""
    from fastopt.kernels import threads

    threads._forked = True
    try:
        return many(*given, **options)
    finally:
        threads._forked = False


def slow(x, grad, calls, spin):
    """A Python function that becomes dear."""
    calls[0] += 1
    if calls[0] > calls[1]:
        time.sleep(0.02)
    grad[0] = 1.0
    return -float(calls[0])


RUNS = {
    "inline": lambda **more: one(dearer, AFTER, SPIN, inline=True, **more),
    "by address": lambda **more: one(dearer, AFTER, SPIN, inline=False, **more),
    "parallel": lambda **more: many(dearer, AFTER // 40, SPIN, **more),
    "serial": lambda **more: serial(dearer, AFTER // 40, SPIN, **more),
    "in Python": lambda **more: one(slow, 2000, 0, **more),
    "many in Python": lambda **more: many(slow, 100, 0, k=3, **more),
}


def training(accumulate, examples=1_000_000, after=AFTER, spin=SPIN):
    """A ``fit`` that becomes dear, and its optimiser."""
    opt = fastopt.SGD(np.zeros(1), lr=1.0 / accumulate)
    X = np.tile([after / accumulate, spin], (examples, 1))
    return opt, lambda: fastopt.fit(dearer_loss, opt, X, batch_size=1, epochs=1, accumulate=accumulate)


def seconds_to_stop(run, after):
    """From an interrupt that comes so many seconds after the start until it is raised."""
    sent = []

    def fire():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, fire)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
    timer.start()
    try:
        run()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    raise AssertionError("the run came to an end")


def seconds_late(run, maxtime):
    """How much longer a run takes than it may."""
    began = time.perf_counter()
    run(maxtime=maxtime)
    return time.perf_counter() - began - maxtime
