"""``python first_calls.py WORK NUMBER``: how long calls wait whose objectives were never compiled before.

Prints seconds: for the first of the process, for another, and then, of "options", for each option that was not on
before. The number makes the objectives new, so no cache knows them. Imports are not counted.
"""

import json
import sys
import warnings
from time import perf_counter

import numba
import numpy as np
import scipy.optimize  # noqa: F401

import fastopt

warnings.simplefilter("ignore", RuntimeWarning)  # so few iterations end nowhere

ROSENBROCK = """
def fun(x, grad):
    f, grad[:] = 0.0, 0.0
    for i in range(x.size - 1):
        a, b = x[i + 1] - x[i] * x[i], {number} - x[i]
        f += 100.0 * a * a + b * b
        grad[i] -= 400.0 * a * x[i] + 2.0 * b
        grad[i + 1] += 200.0 * a
    return f
"""
SQUARES = """
def fun(w, grad, X, y):
    f = 0.0
    for i in range(y.size):
        r = -{number} * y[i]
        for j in range(w.size):
            r += X[i, j] * w[j]
        f += r * r
        for j in range(w.size):
            grad[j] += 2.0 * r * X[i, j]
    return f
"""
EXPONENTIAL = """
def fun(x, grad, y, t):
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])
        r = x[0] * e - {number} * y[j]
        f += r * r
        grad[0] += 2.0 * r * e
        grad[1] -= 2.0 * r * x[0] * t[j] * e
    return f
"""
DECAY = """
def fun(t, a, b):
    return a * np.exp(-b * t) / {number}
"""
OPTIONS = {"weight_decay": 0.01, "clip_norm": 1.0, "best": True, "ftol": 1e-9}
X, Y, T = np.random.default_rng(0).normal(size=(100, 5)), np.ones(100), np.linspace(0.0, 1.0, 20)


def minimize(fun):
    fastopt.minimize(fun, np.zeros(2), method="adam", jac="inplace", options={"maxiter": 100})


def fit(fun):
    fastopt.fit(fun, fastopt.Adam(np.zeros(5)), (X, Y), batch_size=10, epochs=2, seed=0)


def minimize_many(fun, **options):
    options = {"maxiter": 100, **options}
    fastopt.minimize_many(fun, np.ones((64, 2)), (np.ones((64, 20)),), (T,), "adam", "inplace", options=options)


def curve_fit_many(fun):
    fastopt.curve_fit_many(fun, T, np.exp(-np.ones((64, 1)) * T), np.ones((64, 2)))


WORKS = {
    "minimize": (ROSENBROCK, minimize, []),
    "fit": (SQUARES, fit, []),
    "minimize_many": (EXPONENTIAL, minimize_many, []),
    "curve_fit_many": (DECAY, curve_fit_many, []),
    "options": (EXPONENTIAL, minimize_many, OPTIONS),
}


def new(text, number):
    names = {"np": np}
    exec(text.format(number=number), names)
    return numba.njit(names["fun"])


def seconds(work, fun, **options):
    began = perf_counter()
    work(fun, **options)
    return perf_counter() - began


def main(work, number):
    text, work, options = WORKS[work]
    times = [seconds(work, new(text, int(number) + 2 + k / 4)) for k in range(2)]
    fun = new(text, int(number) + 2)
    print(json.dumps(times + [seconds(work, fun, **{name: OPTIONS[name]}) for name in options]))


if __name__ == "__main__":
    main(*sys.argv[1:])
