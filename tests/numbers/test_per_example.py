"""Losses of one example, made into losses of batches: against SciPy's optimum, and against losses written by hand."""

import math
from collections import namedtuple

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from numba import njit

import fastopt
from fastopt.problems import losses

RNG = np.random.default_rng(2)


@njit
def poisson(w, x, y):
    eta = x @ w
    return math.exp(eta) - y * eta


@njit
def tobit(p, x, y):
    """y is known up to 2, and all that is larger is 2."""
    z = (y - x @ p.w) / math.exp(p.log_sigma)
    return 0.5 * z * z + p.log_sigma if y < 2.0 else -math.log(0.5 * math.erfc(z / math.sqrt(2)))


@njit
def logistic(w, x, y):
    eta = np.dot(x, w)
    return np.logaddexp(0.0, eta) - y * eta


@njit
def two_layers(p, x, y):
    hidden = np.tanh(x @ p[0] + p[1])
    return 0.5 * (hidden @ p[2] - y) ** 2


def standardised(X):
    return np.c_[np.ones(len(X)), (X - X.mean(0)) / X.std(0)]


def trained(loss, params, data, steps=2000):
    opt = fastopt.Adam(params, lr=fastopt.schedules.cosine(0.1, steps))
    return fastopt.fit(fastopt.per_example(loss), opt, data, batch_size=None, epochs=steps)


def test_poisson_regression_is_scipys():
    """Sit-ups of the 20 men of Linnerud's data, counted, by their weight, waist and pulse."""
    exercises, men = pytest.importorskip("sklearn.datasets").load_linnerud(return_X_y=True)
    X, y = standardised(men), exercises[:, 1]
    w = np.array([5.0, 0.0, 0.0, 0.0])
    hist = trained(poisson, w, (X, y))
    best = scipy.optimize.minimize(lambda w: np.sum(np.exp(X @ w) - y * (X @ w)), w, tol=1e-12)
    assert hist.loss[-1] == pytest.approx(best.fun, rel=1e-10)
    np.testing.assert_allclose(w, best.x, atol=1e-4)


def test_censored_regression_is_scipys():
    """Progression of diabetes, as if it had been written down up to 200 alone."""
    X, y = pytest.importorskip("sklearn.datasets").load_diabetes(return_X_y=True)
    X, y = standardised(X), np.minimum(y / 100, 2.0)
    params = {"w": np.zeros(X.shape[1]), "log_sigma": np.zeros(())}
    hist = trained(tobit, params, (X, y))

    def negative_log_likelihood(p):
        z = (y - X @ p[:-1]) / np.exp(p[-1])
        return np.sum(np.where(y < 2.0, 0.5 * z**2 + p[-1], -scipy.special.log_ndtr(-z)))

    best = scipy.optimize.minimize(negative_log_likelihood, np.zeros(X.shape[1] + 1), tol=1e-10)
    assert hist.loss[-1] == pytest.approx(best.fun, rel=1e-9)
    assert params["log_sigma"] == pytest.approx(best.x[-1], abs=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_of_ours(dtype):
    """30 parameters, so four passes."""
    X, y = RNG.standard_normal((40, 30)).astype(dtype), RNG.integers(0, 2, 40).astype(dtype)
    w, grads, by_hand = RNG.standard_normal(30).astype(dtype) / 5, np.zeros(30, dtype), np.zeros(30, dtype)
    value = fastopt.per_example(logistic)(w, grads, X, y)
    assert value == pytest.approx(losses.logistic()(w, by_hand, X, y), rel=float(8 * np.finfo(dtype).eps))
    np.testing.assert_allclose(grads, by_hand, atol=100 * np.finfo(dtype).eps)


def test_parameters_of_any_structure():
    """A tuple of a matrix, a vector and a vector: as one gradient of the numbers side by side."""
    params = RNG.standard_normal((3, 4)), RNG.standard_normal(4), RNG.standard_normal(4)
    grads = tuple(np.zeros_like(p) for p in params)
    X, y = RNG.standard_normal((5, 3)), RNG.standard_normal(5)
    f = fastopt.per_example(two_layers)
    value = f(params, grads, X, y)

    def of_numbers(v):
        p = v[:12].reshape(3, 4), v[12:16], v[16:]
        return sum(two_layers.py_func(p, *example) for example in zip(X, y))

    x = np.concatenate([p.ravel() for p in params])
    assert value == pytest.approx(of_numbers(x), rel=1e-13)
    found = np.concatenate([g.ravel() for g in grads])
    np.testing.assert_allclose(found, scipy.optimize.approx_fprime(x, of_numbers, 1e-7), atol=1e-5)


def test_minibatches_are_the_same_in_python_and_compiled():
    X, y = RNG.standard_normal((50, 3)), RNG.integers(0, 2, 50)
    f = fastopt.per_example(logistic)
    results = []
    for loss in (f, lambda *arguments: f(*arguments)):
        w = np.zeros(3)
        fastopt.fit(loss, fastopt.Adam(w, lr=0.1), (X, y), batch_size=8, epochs=3)
        results.append(w)
    np.testing.assert_array_equal(*results)


def test_parameters_of_two_dtypes_are_refused():
    pair = namedtuple("pair", "w log_sigma")(np.zeros(3), np.zeros((), np.float32))
    with pytest.raises(Exception, match="the parameters must have one dtype, got float64 and float32"):
        fastopt.per_example(tobit)(pair, pair, np.zeros((2, 3)), np.zeros(2))
