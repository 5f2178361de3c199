"""Sums over residuals: J'J, J'r and the cost, beside NumPy's of a Jacobian that is written out."""

import numba
import numpy as np
import pytest
from numba import njit, typeof
from scipy.optimize._lsq.least_squares import construct_loss_function

from fastopt.kernels import least_squares
from fastopt.kernels.evaluations import Kinds
from fastopt.kernels.forward import for_duals
from fastopt.solve.squares_settings import LOSSES

T = np.linspace(0.1, 2, 7)


@njit
def powers(x, r, y, t):
    """Σ xᵢ² tⁱ − y, from the last to the first."""
    for j in range(t.size - 1, -1, -1):
        total, power = -y[j], 1.0
        for i in range(x.size):
            total = total + x[i] * x[i] * power
            power *= t[j]
        r[j] = total


def sums(x, Y, loss, lanes, share=0.0, scale=1.0):
    """Of each problem, what the kernel writes: (k, d + 1, d + 1)."""
    k, d = x.shape
    t = T.astype(x.dtype)
    kinds = Kinds(numba.from_dtype(x.dtype), tuple(typeof((Y,))), tuple(typeof((t,))), lanes)
    run = least_squares.evaluation(kinds, for_duals(powers), least_squares.by_residuals, d, LOSSES.index(loss), True)
    beside, gram = np.ascontiguousarray(x.T), np.zeros((d + 1, d + 1, k), x.dtype)
    rows, shares = np.ascontiguousarray(Y.T), np.full(k, share, x.dtype)
    context = kinds.context((Y,), (t,), ())
    which = rows.ctypes.data if lanes > 1 else 0
    run(context.ctypes.data, which, *(a.ctypes.data for a in (beside, gram, shares)), scale)
    return gram.transpose(2, 0, 1)


def expected(x, y, loss, share, scale):
    """By SciPy's loss."""
    J = 2 * x * T[:, None] ** np.arange(x.size)
    r = (x * x * T[:, None] ** np.arange(x.size)).sum(axis=1) - y
    rho = np.stack([r * r, np.ones_like(r), np.zeros_like(r)])
    if loss != "linear":
        rho = construct_loss_function(r.size, loss, scale)(r)
    weight = np.maximum(rho[1] + 2 * rho[2] * r * r, np.maximum(share * rho[1], 2.0**-52))
    return J.T @ (weight[:, None] * J), J.T @ (rho[1] * r), 0.5 * rho[0].sum()


def agree(d, loss="linear", dtype=np.float64, lanes=8, rtol=1e-12, **options):
    rng = np.random.default_rng(d)
    k = max(lanes, 1)
    x, Y = rng.uniform(-1, 1, (k, d)).astype(dtype), rng.uniform(-1, 3, (k, 7)).astype(dtype)
    found = sums(x, Y, loss, lanes, **options)
    for i in range(k):
        A, g, cost = expected(x[i].astype(float), Y[i], loss, options.get("share", 0.0), options.get("scale", 1.0))
        np.testing.assert_allclose(np.triu(found[i, :d, :d]), np.triu(A), rtol, rtol * np.abs(A).max())
        np.testing.assert_allclose(found[i, :d, d], g, rtol, rtol * np.abs(A).max())
        np.testing.assert_allclose(found[i, d, d], cost, rtol)
        assert found[i, d, 0] == 7


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("d", [1, 2, 3, 16])
def test_squares(d, lanes):
    agree(d, lanes=lanes)


def test_squares_in_float32():
    agree(3, dtype=np.float32, lanes=16, rtol=2e-6)


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("loss", LOSSES[1:])
def test_losses(loss, lanes):
    for share in (0.0, 0.5, 1.0):
        agree(2, loss, lanes=lanes, share=share, scale=0.7)
