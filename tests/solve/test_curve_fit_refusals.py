"""What curve_fit_many and least_squares_many refuse, each in a sentence."""

import numpy as np
import pytest
from numba import njit
from refusals import refuse

import fastopt

T, Y, X0 = np.linspace(0, 1, 6), np.ones((3, 6)), np.ones((3, 2))


@njit
def line(t, a, b):
    return a + b * t


@njit
def text(t, a, b):
    return "text"


@njit
def chooses(t, a, b):
    return a if a > t else b


@njit
def residuals(x, r, y):
    for j in range(y.size):
        r[j] = x[0] + x[1] * j - y[j]


@njit
def two(x, r, y, weights):
    residuals(x, r, y)


@njit
def gap(x, r, y):
    for j in range(y.size):
        r[j + (j > 3)] = x[0] - y[j]


@njit
def twice(x, r, y):
    for j in range(y.size):
        r[0 if j == 4 else j] = x[0] - y[j]


@njit
def same_sum(x, r, y):
    r[0], r[0], r[3] = x[0] - y[0], x[1] - y[1], x[0] - y[2]


@njit
def negative(x, r, y):
    r[0], r[-1], r[2] = x[0] - y[0], x[1] - y[1], x[0] - y[2]


@njit
def reads(x, r, y):
    r[0] = x[0] - y[0]
    r[0] += x[1]


@njit
def asks(x, r, y):
    for j in range(r.size):
        r[j] = x[0] - y[j]


@njit
def whole(x, r, y):
    r[:] = x[0] - y


CURVES = {
    "a Python function": (TypeError, {"f": line.py_func}, "f must be a Numba function: put @njit on it"),
    "no number": (TypeError, {"f": text}, "f must be callable as f(t, a, b) -> float, got text, which returns"),
    "other parameters": (TypeError, {"P0": np.ones(3)}, "f must be callable as f(t, p0, p1, p2) -> float"),
    "many parameters": (ValueError, {"P0": np.ones(17)}, "P0 must have from 1 to 16 parameters"),
    "P0 of others": (ValueError, {"P0": np.ones((4, 2))}, "P0 must have shape (d,) or (3, d), got (4, 2)"),
    "a curve alone": (ValueError, {"Y": Y[0]}, "Y must have shape (k, n), got (6,)"),
    "objects": (TypeError, {"Y": Y.astype(object)}, "Y must be an array of real numbers"),
    "masked": (TypeError, {"Y": np.ma.masked_array(Y)}, "Y must be a plain array, got a masked one: pass a.filled("),
    "ragged": (ValueError, {"Y": [[1, 2], [1]]}, "Y must be an array of numbers"),
    "other points": (ValueError, {"xdata": T[:4]}, "xdata must have shape (6,) or (3, 6), as Y has 6 points, got (4,)"),
    "no variable": (ValueError, {"xdata": ()}, "xdata must be an array or a tuple of arrays, got an empty tuple"),
    "second variable": (ValueError, {"xdata": (T, T[:4])}, "xdata[1] must have shape (6,) or (3, 6)"),
    "sigma of others": (ValueError, {"sigma": np.ones(3)}, "sigma must have shape (6,) or (3, 6)"),
    "sigma 0": (ValueError, {"sigma": T}, "sigma must be positive where Y is known"),
    "absolute": (TypeError, {"absolute_sigma": 1}, "absolute_sigma must be True or False, got 1"),
    "pairs": (ValueError, {"bounds": [(0, 1)] * 3}, "bounds must be a pair of lows and highs, got a list"),
    "bounds of others": (ValueError, {"bounds": ([0] * 3, 2)}, "bounds must be two numbers or arrays of shape (2,)"),
    "no number as a bound": (ValueError, {"bounds": ([0, None], 2)}, "bounds must be numbers, infinite where there is"),
    "text as bounds": (TypeError, {"bounds": ("low", 2)}, "bounds must be numbers or arrays of shape (2,), got"),
    "crossed": (ValueError, {"bounds": (2, 0)}, "bounds must be lows and highs, low < high, got (2.0, 0.0) for"),
    "outside": (
        ValueError,
        {"bounds": ([0, 2], 3)},
        "P0 must be within the bounds, got 1.0 for parameter 1 of problem 0",
    ),
    "loss": (ValueError, {"loss": "arctan"}, "loss must be one of linear, soft_l1, huber, cauchy, got 'arctan'"),
    "f_scale": (ValueError, {"f_scale": 0}, "f_scale must be positive, got 0"),
    "ftol": (ValueError, {"ftol": -1e-3}, "ftol must be at least 0, got -0.001"),
    "xtol": (TypeError, {"xtol": None}, "xtol must be a number, got NoneType"),
    "maxiter": (ValueError, {"maxiter": 0}, "maxiter must be a positive integer, got 0"),
    "maxtime": (ValueError, {"maxtime": -1}, "maxtime must be at least 0, got -1"),
    "lanes": (ValueError, {"lanes": 3}, "lanes must be None or one of 1, 2, 4, 8, 16, got 3"),
    "branches": (
        TypeError,
        {"f": chooses, "lanes": 8},
        "lanes must be None or 1 here, got 8: it branches on what differs",
    ),
}


@pytest.mark.parametrize("case", CURVES)
def test_curves(case):
    error, wrong, words = CURVES[case]
    given = {"f": line, "xdata": T, "Y": Y, "P0": np.ones(2)} | wrong
    refuse(lambda: fastopt.curve_fit_many(**given), error, words)


PROBLEMS = {
    "a gap": (
        ValueError,
        (gap, X0, Y),
        "residuals must write r[0], r[1], ... each once, got a gap or one twice in problem 0",
    ),
    "twice": (ValueError, (twice, X0, Y), "residuals must write r[0], r[1], ... each once, got a gap"),
    "as if none were twice": (ValueError, (same_sum, X0, Y), "each once, got a gap"),
    "from the end": (ValueError, (negative, X0, Y), "each once, got a gap"),
    "reads": (TypeError, (reads, X0, Y), "r must be written as r[j] = v, of a number v, and never read"),
    "asks": (TypeError, (asks, X0, Y), "r must be written as r[j] = v, of a number v, and never read, got r.size"),
    "a slice": (TypeError, (whole, X0, Y), "r must be written as r[j] = v, of a number v, and never read"),
    "others": (TypeError, (residuals, X0, Y, T), "residuals must be callable as residuals(x, r, arg1, arg2), got"),
    "rows": (ValueError, (residuals, X0, Y[:2]), "args[0] must have a leading axis of 3 problems, got shape (2, 6)"),
    "a vector": (ValueError, (residuals, X0[0], Y), "X0 must have shape (k, d), got (2,)"),
    "a Python function": (TypeError, (residuals.py_func, X0, Y), "residuals must be a Numba function"),
    "a list": (TypeError, (two, X0, Y, [1]), "shared[0] must be an array or a number for a Numba function"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_problems(case):
    error, given, words = PROBLEMS[case]
    refuse(lambda: fastopt.least_squares_many(*given), error, words)
