"""``minimize_many`` of a value alone: duals whose numbers are lanes, beside one lane and a gradient written by hand."""

import numpy as np
import pytest
from numba import njit
from stepping import DTYPES, bits, name_of

import fastopt

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
BOUND = {np.float64: 1e-10, np.float32: 1e-4}  # of what 40 steps make of roundings


@njit
def value(x, y, weight, t):
    """A fit with functions that lanes have of their own, a choice, powers, and an array that depends on x."""
    f, r = 0.0, np.empty_like(x)
    for j in range(t.size):
        f += 0.5 * weight * (x[0] * np.exp(-x[1] * t[j]) + np.tanh(x[2]) - y[j]) ** 2
    r[:] = x - 1
    return f + 0.01 * np.where(x[0] > 1, x[0] ** 3, x[0]) + 0.1 * np.sum(r * r)


def with_gradient(x, grad, y, weight, t):
    f, grad[:] = 0.0, 0.2 * (x - 1)
    for j in range(t.size):
        e, level = np.exp(-x[1] * t[j]), np.tanh(x[2])
        r = weight * (x[0] * e + level - y[j])
        f += 0.5 * r * (x[0] * e + level - y[j])
        grad[0] += r * e
        grad[1] -= r * x[0] * t[j] * e
        grad[2] += r * (1 - level * level)
    grad[0] += np.where(x[0] > 1, 0.03 * x[0] ** 2, 0.01)
    return f + 0.01 * np.where(x[0] > 1, x[0] ** 3, x[0]) + 0.1 * np.sum((x - 1) ** 2)


def problems(dtype, k=37):
    rng = np.random.default_rng(5)
    X0, Y, weight = rng.uniform(0.5, 1.5, (k, 3)), rng.uniform(0.2, 1.5, (k, 5)), 10.0 ** rng.uniform(-2, 0.5, k)
    weight[7] = np.nan
    return [a.astype(dtype) for a in (X0, Y, weight, np.linspace(0, 2, 5))]


def solve(fun, given, which=slice(None), jac=None, **options):
    X0, Y, weight, t = given
    options = {"lr": 0.05, "maxiter": 40, "gtol": 0.05} | options
    return fastopt.minimize_many(fun, X0[which], (Y[which], weight[which]), t, "adam", jac, options=options)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_beside_one_by_hand(dtype):
    given = problems(dtype)
    lanes, by_hand = solve(value, given), solve(with_gradient, given, jac="inplace")
    assert lanes.lanes == 64 // dtype().itemsize
    assert lanes.jac.dtype == dtype
    agree(lanes, by_hand, BOUND[dtype])


def test_beside_one_lane():
    given = problems(np.float64)
    lanes, one = solve(value, given), solve(value, given, lanes=1)
    assert (lanes.lanes, one.lanes) == (8, 1)
    agree(lanes, one, BOUND[np.float64])
    for name in ("nit", "nfev", "njev", "status"):
        np.testing.assert_array_equal(lanes[name], one[name], name)


def agree(lanes, other, bound):
    """To rounding; problem 7 is NaN."""
    assert lanes.status[7] == other.status[7] == 3
    fine = np.arange(len(lanes.x)) != 7
    assert {0, 1} == set(lanes.status[fine])
    for name in ("x", "jac", "fun"):
        np.testing.assert_allclose(lanes[name][fine], other[name][fine], rtol=bound, atol=bound)


def test_in_any_company():
    """Alone, among few and in another order: the same bits."""
    given = problems(np.float64)
    whole = solve(value, given)
    for which in (np.random.default_rng(1).permutation(37), [4], [7], slice(11, 20)):
        part = solve(value, given, which)
        for name in ("x", "jac", "fun", "nit", "nfev", "njev", "status"):
            assert bits(whole[name][which]) == bits(part[name]), name
