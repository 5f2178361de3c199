"""What fastopt itself has for users' functions, given duals: the functions of ``fastopt.jit``, the pieces of losses."""

import math

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt import jit
from fastopt.problems import losses, pieces

RNG = np.random.default_rng(12)


@njit
def each_of_its_own(x):
    a = jit.exp(x[0]) + jit.expm1(x[1]) + jit.log(x[2]) + jit.log1p(x[3]) + jit.tanh(x[4]) + jit.sin(x[5])
    return a + jit.cos(x[6]) + jit.sigmoid(x[7]) + jit.softplus(x[8]) + jit.pow(x[9], x[10])


def derivatives(x):
    sigmoid = lambda x: 1.0 / (1.0 + math.exp(-x))  # noqa: E731
    return [
        math.exp(x[0]), math.exp(x[1]), 1 / x[2], 1 / (1 + x[3]), 1 / math.cosh(x[4]) ** 2, math.cos(x[5]),
        -math.sin(x[6]), sigmoid(x[7]) * sigmoid(-x[7]), sigmoid(x[8]),
        x[10] * x[9] ** (x[10] - 1), math.log(x[9]) * x[9] ** x[10],
    ]  # fmt: skip


def test_functions():
    f, grad = fastopt.value_and_grad(each_of_its_own), np.empty(11)
    for size in (0.1, 1.0, 9.0, 30.0):
        x = RNG.uniform(0.1, 1.0, 11) * size
        assert f(x, grad) == each_of_its_own(x)
        np.testing.assert_allclose(grad, derivatives(x), rtol=2e-14)


def gradients(loss, distribution, y, shape):
    """Of a loss, by duals through the piece that is its value, and as it writes it."""
    piece = getattr(pieces, distribution)
    value = njit(lambda w, X, y: piece(X @ w.reshape(shape), y))
    X, w = RNG.normal(size=(len(y), shape[0])), RNG.normal(size=math.prod(shape))
    duals, written = np.empty_like(w), np.empty(shape)
    values = fastopt.value_and_grad(value)(w, duals, X, y), loss(w.reshape(shape), written, X, y)
    return values, duals.reshape(shape), written


@pytest.mark.parametrize(
    ("loss", "distribution", "y", "shape"),
    [
        (losses.linear, "gaussian", RNG.normal(size=6), (3,)),
        (losses.logistic, "bernoulli", np.array([0.0, 1.0, 1.0, 0.25, 0.0, 1.0]), (3,)),
        (losses.poisson, "poisson", np.array([0.0, 1.0, 3.0, 0.0, 2.0, 7.0]), (3,)),
        (losses.softmax, "categorical", np.array([0, 1, 2, 1, 0, 2]), (2, 3)),
    ],
    ids=["linear", "logistic", "poisson", "softmax"],
)
def test_losses(loss, distribution, y, shape):
    (value, expected), duals, written = gradients(loss(), distribution, y, shape)
    assert value == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(duals, written, rtol=1e-12, atol=1e-12 * abs(written).max())
