"""The iterate is the loop's: an objective that overwrites its x changes nothing, compiled or not."""

import numpy as np
import pytest
from numba import njit
from stepping import bits

import fastopt

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")


def reading(x, grad, c):
    f = 0.0
    for i in range(x.size):
        grad[i] = (x[i] - c) + (x[i] - c)
        f += (x[i] - c) * (x[i] - c)
    return f


def writing(x, grad, c):
    f = reading_(x, grad, c)
    x[:] = 1e3
    return f


def value(x, c):
    f = np.sum((x - c) * (x - c))
    x[0] = 1e3
    return f


def gradient(x, c):
    g = (x - c) + (x - c)
    x[-1] = np.nan
    return g


reading_ = njit(reading)
TYPED = "float64(float64[::1], float64[::1], float64)"  # takes no array that is read only
FORMS = {
    "inline": (writing, "inplace", {"inline": True}),
    "typed": (reading, "inplace", {"inline": False}),
    "jac": (value, gradient, {"inline": False}),
    "3-point": (value, "3-point", {"inline": False}),
}
X0, OPTIONS = np.array([1.0, -2.0]), {"lr": 0.1, "maxiter": 20, "gtol": 0.0}


def compiled(function, *signature):
    return njit(*signature)(function) if callable(function) else function


@pytest.mark.parametrize("form", FORMS)
def test_one_problem(form):
    fun, jac, options = FORMS[form]
    options |= OPTIONS
    before = X0.copy()
    fun_compiled = compiled(fun, TYPED) if form == "typed" else compiled(fun)
    res = fastopt.minimize(fun_compiled, X0, (0.5,), "adam", compiled(jac), options=options)
    plain = fastopt.minimize(fun, X0, (0.5,), "adam", jac, options=options)
    assert bits(res.x, res.jac, np.float64(res.fun)) == bits(plain.x, plain.jac, np.float64(plain.fun))
    assert bits(X0) == bits(before)


def test_many_problems():
    given = np.array([X0, X0]), (np.array([0.5, 0.25]),), (), "adam", "inplace"
    options = OPTIONS | {"maxtime": 99}
    found = [fastopt.minimize_many(fun, *given, options=options) for fun in (njit(writing), reading)]
    assert bits(found[0].x, found[0].jac, found[0].fun) == bits(found[1].x, found[1].jac, found[1].fun)


def test_what_only_reads_x_is_given_no_copy():
    """But the iterate as an array that cannot be written to, which costs nothing."""
    fun = njit(reading)
    fastopt.minimize(fun, X0, (0.5,), "adam", "inplace", options=OPTIONS)
    assert [takes[0].mutable for takes in fun.signatures] == [False]
