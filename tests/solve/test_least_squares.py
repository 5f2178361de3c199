"""least_squares_many: residuals in any order, of any number, as SciPy's least_squares has them."""

import numpy as np
import pytest
import scipy.optimize
from numba import njit

import fastopt

T = np.linspace(0, 2, 9)


@njit
def backwards(x, r, y, weight, t):
    for i in range(t.size):
        j = t.size - 1 - i
        r[j] = weight * (x[0] * np.exp(-x[1] * t[j]) - y[j])


@njit
def some(x, r, y, count, t):
    """As many as a row says; constants and numbers of the data are residuals too."""
    for j in range(count):
        r[j] = x[0] + x[1] * t[j] - y[j]
    r[count] = 1
    r[count + 1] = y[0]


@njit
def coupled(x, r, A):
    for i in range(A.shape[0]):
        total = 0.0
        for j in range(x.size):
            total += A[i, j] * x[j] ** 2
        r[i] = total - 1.0


def data(k=11):
    rng = np.random.default_rng(2)
    Y = rng.uniform(1, 2, (k, 1)) * np.exp(-rng.uniform(0.5, 1, (k, 1)) * T)
    return Y + rng.normal(0, 0.05, Y.shape), rng.uniform(0.5, 2, k)


def test_in_any_order():
    Y, weight = data()
    found = fastopt.least_squares_many(backwards, np.ones((11, 2)), (Y, weight), T)
    assert found.lanes == 8
    for i in range(11):
        one = scipy.optimize.least_squares(
            lambda x, i=i: weight[i] * (x[0] * np.exp(-x[1] * T) - Y[i]), [1, 1], method="lm"
        )
        np.testing.assert_allclose(found.x[i], one.x, rtol=1e-5)
        np.testing.assert_allclose(found.cost[i], one.cost, rtol=1e-8)
        cov = np.linalg.inv(one.jac.T @ one.jac) * 2 * one.cost / (9 - 2)
        np.testing.assert_allclose(found.cov[i], cov, rtol=1e-3)


def test_as_many_as_are_written():
    """The variance is that of so many."""
    Y, counts = data()[0], np.arange(11) % 6 + 3
    found = fastopt.least_squares_many(some, np.zeros((11, 2)), (Y, counts), T)
    assert found.lanes == 1  # counts are no floats
    for i, n in enumerate(counts):
        J = np.stack([np.ones(n), T[:n]], axis=1)
        x, rest = np.linalg.lstsq(J, Y[i, :n], rcond=None)[:2]
        rest = rest[0] + 1 + Y[i, 0] ** 2
        np.testing.assert_allclose(found.x[i], x, rtol=1e-8)
        np.testing.assert_allclose(found.cost[i], rest / 2)
        np.testing.assert_allclose(found.cov[i], np.linalg.inv(J.T @ J) * rest / (n + 2 - 2), rtol=1e-8)


def test_sixteen_variables():
    rng = np.random.default_rng(3)
    A = np.eye(16) + 0.1 * rng.uniform(size=(5, 16, 16))
    found = fastopt.least_squares_many(coupled, np.ones((5, 16)), A)
    np.testing.assert_allclose((A @ found.x[:, :, None] ** 2)[..., 0], 1.0, rtol=1e-7)


def test_x0_is_not_written():
    Y, weight = data()
    X0 = np.ones((11, 2))
    fastopt.least_squares_many(backwards, X0, (Y, weight), T)
    assert (X0 == 1.0).all()


def test_a_row_of_zeros():
    """Residuals that are 0 already."""
    found = fastopt.least_squares_many(some, np.zeros((1, 2)), (np.zeros((1, 9)), np.array([5])), T)
    assert found.status[0] == 0
    assert found.nfev[0] == 1


@njit
def those_there_are(x, r, count):
    for j in range(int(count)):
        r[j] = x[0] - j


@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
def test_no_residual_is_no_success():
    found = fastopt.least_squares_many(those_there_are, np.ones((3, 1)), np.array([3, 0, 1]))
    assert found.status.tolist() == [0, 9, 0]
    assert np.isnan(found.cost[1])
    assert np.isnan(found.stderr[1])
    assert found.message == "2 of 3 problems succeeded: 2 gtol, 1 fewer points than parameters."


@pytest.mark.parametrize(("off", "left"), [("ftol", {0, 4}), ("gtol", {2, 4}), ("xtol", {0, 2})])
def test_a_test_that_is_off(off, left):
    Y, weight = data()
    options = {"ftol": 1e-6, "gtol": 1e-6, "xtol": 1e-6} | {off: 0}
    found = fastopt.least_squares_many(backwards, np.ones((11, 2)), (Y, weight), T, **options)
    assert set(found.status) <= left
