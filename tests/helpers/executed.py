"""Objectives that the workers of executors import, lines through points; and executors that count, or do nothing."""

import os
import pickle
import time
import warnings
from concurrent.futures import Executor, Future

import numba
import numpy as np
from numba import njit

import fastopt

WEIGHT = 1.0


def line(x, grad, y, t):
    """½Σ(x₀ + x₁t − y)²; raises where y begins with more than 100."""
    if y[0] > 100.0:
        raise ValueError("more than 100")
    f = y[0] - y[0]
    grad[:] = f
    for j in range(t.size):
        r = x[0] + x[1] * t[j] - y[j]
        f += WEIGHT * r * r / 2
        grad[0] += WEIGHT * r
        grad[1] += WEIGHT * r * t[j]
    return f


line_ = njit(cache=True)(line)


@njit(cache=True)
def curve(x, y, t):
    f = 0.0
    for j in range(t.size):
        r = x[0] * np.exp(-x[1] * t[j]) - y[j]
        f += r * r / 2
    return f


gradient_of_curve = fastopt.value_and_grad(curve)


def dot(x, grad, y, t):
    """Sums whose bits depend on how y and t lie in memory."""
    grad[0], grad[1] = x[0] - y @ t, x[1] - (y * t).sum()
    return grad @ grad


def ignoring(x, grad, y, large, t):
    return line(x, grad, y, t) + large[0]


def threads(x, grad, y, t):
    """How many Numba would use."""
    grad[:] = 0.0
    return numba.get_num_threads()


def dies(x, grad, y, t):
    if y[0] > 100.0:
        os._exit(1)
    return line(x, grad, y, t)


def slow(x, grad, y, t):
    time.sleep(0.005)
    return line(x, grad, y, t)


def unwritten(x, grad, y, t):
    if y[0] > 100.0:
        time.sleep(0.3 if y[0] > 200.0 else 0.0)
        return 0.0
    return line(x, grad, y, t)


class Peculiar(Exception):
    """No pickle can make one again."""

    def __init__(self, step, what):
        super().__init__(f"{what} at {step}")


def falls_over(step):
    if step > 3:
        raise Peculiar(step, "no rate")
    return 0.1


def found_on_disk(name):
    """In a worker: how many kernels of a function came from the disk."""
    return sum(getattr(__import__(__name__), name).stats.cache_hits.values())


def sign(p, g, lr):
    return (p - lr * g,)


def rate(t, lr):
    return (lr,)


RULE = fastopt.Rule(name="plain", update=sign, coefficients=rate, hyper={"lr": 0.1})


def problems(k, seed=0):
    """Starts, rows of ``args``, ``shared``."""
    rng, t = np.random.default_rng(seed), np.linspace(0, 2, 6)
    Y = rng.uniform(0.5, 1.5, (k, 1)) + rng.uniform(-1, 1, (k, 1)) * t + rng.normal(0, 0.02, (k, 6))
    return rng.uniform(0.5, 1.5, (k, 2)), (Y,), (t,)


def both(executor, fun, given, method="adam", jac="inplace", num_workers=None, chunk=None, **options):
    """The result with the executor, which is that without: the same bits, dtypes, message and warnings."""
    bounds, found = options.pop("bounds", None), []
    options = ({} if isinstance(method, fastopt.Rule) else {"lr": 0.05}) | {"maxiter": 60} | options
    for more in ({}, {"executor": executor, "num_workers": num_workers, "chunk": chunk}):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            res = fastopt.minimize_many(fun, *given, method, jac, options=options, bounds=bounds, **more)
        told = [(w.category, str(w.message), w.filename) for w in said if "fork()" not in str(w.message)]
        found.append((res, told))
    (alone, said), (res, said_there) = found
    assert set(res) == set(alone)
    for name in alone:
        if isinstance(alone[name], np.ndarray):
            assert (res[name].dtype, res[name].shape) == (alone[name].dtype, alone[name].shape), name
            assert res[name].tobytes() == alone[name].tobytes(), name
        else:
            assert res[name] == alone[name], name
    assert said_there == said
    return res


def with_raising(k):
    X, (Y,), shared = problems(k)
    Y[[k // 3, k // 2], 0] = 200.0
    return X, (Y,), shared


class Inline(Executor):
    """Runs each task when it is submitted, as a process would that gets it pickled; counts the bytes of each."""

    def __init__(self, workers=None):
        self.sizes = []
        if workers:
            self._max_workers = workers

    def submit(self, fn, /, *args):
        data = pickle.dumps((fn, args))
        self.sizes.append(len(data))
        future = Future()
        fn, args = pickle.loads(data)
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


class Idle(Executor):
    """Begins nothing."""

    def __init__(self):
        self.futures = []

    def submit(self, fn, /, *args):
        self.futures.append(Future())
        return self.futures[-1]
