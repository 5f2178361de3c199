"""The largest magnitude of an array, which the test of the gradient is."""

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt.kernels.loops import vectors


@njit
def largest(a):
    return vectors.largest(a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 31, 32, 100])
def test_largest(n, dtype):
    a = np.linspace(-5, 3, n).astype(dtype)
    assert largest(a) == vectors.largest(a) == 5.0
    a[-1] = np.nan
    assert np.isnan(largest(a))


def test_many_float32_variables_are_minimised():
    @njit
    def square(x, grad):
        grad[:] = 2 * x
        return np.sum(x * x)

    res = fastopt.minimize(square, np.ones(40, np.float32), method="gd", jac="inplace", options={"lr": 0.25})
    assert res.nit > 10
    assert abs(res.x).max() < 1e-5
