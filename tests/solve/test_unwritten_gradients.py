"""An objective that does not write its gradient is refused; it was a success in no iteration."""

import numpy as np
import pytest
from numba import njit

import fastopt


def forgets_all(x, grad, c):
    grad = x - c  # noqa: F841  without [:], as users forget it
    return 0.5 * (x[0] - c) * (x[0] - c)


def forgets_one(x, grad, c):
    grad[0] = x[0] - c
    if c > 1.0:
        grad[1] = x[1]
    return 0.5 * ((x[0] - c) ** 2 + x[1] ** 2)


def adds(x, grad, c):
    for i in range(x.size):
        grad[i] += x[i] - c
    return 0.5 * (x[0] - c) ** 2


def not_a_number(x, grad, c):
    grad[0] = grad[1] = (x[0] - x[0]) / (c - c)
    return c


def infinite(x, grad, c):
    return np.inf * c


COMPILED = {f: njit(error_model="numpy")(f) for f in (forgets_all, forgets_one, adds, not_a_number, infinite)}
each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@each_path
@each_dtype
@pytest.mark.parametrize(
    ("fun", "text"),
    [(forgets_all, r"grad\[0\] \(and 1 more\)"), (forgets_one, r"grad\[1\]"), (adds, r"grad\[0\] \(and 1 more\)")],
)
def test_refused(fun, text, dtype, compiled):
    fun = COMPILED[fun] if compiled else fun
    with pytest.raises(TypeError, match=rf"^fun must write grad, in place: {text} was left as it was$"):
        fastopt.minimize(fun, np.ones(2, dtype), (dtype(0.5),), "gd", "inplace")


@each_path
@pytest.mark.parametrize("options", [{}, {"ftol": 1e-9}], ids=["", "ftol"])
def test_the_first_problem_is_named(options, compiled):
    fun = COMPILED[forgets_one] if compiled else forgets_one
    with pytest.raises(TypeError, match=r"grad\[1\] was left as it was in problem 2$"):
        fastopt.minimize_many(fun, np.ones((4, 2)), (np.array([2.0, 3.0, 1.0, 0.5]),), (), "gd", "inplace",
                              options=options)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fun", [not_a_number, infinite])
@each_path
def test_what_is_not_finite_is_not_mistaken(fun, dtype, compiled):
    """Neither a NaN of one's own, nor a gradient that was not written where the value is infinite."""
    fun = COMPILED[fun] if compiled else fun
    with np.errstate(all="ignore"):
        res = fastopt.minimize(fun, np.ones(2, dtype), (dtype(0.5),), "gd", "inplace")
    assert (res.status, res.nit) == (3, 0)
