"""What README.md says of GPUs runs."""

import numpy as np
import pytest
from numba import cuda, njit
from on_cuda import SIMULATED
from test_readme import BLOCKS

BLOCK = next(block for block in BLOCKS if "to_device" in block)
NAMES: dict = {}
exec(compile(BLOCK, "<README's example on a GPU>", "exec"), NAMES)


def test_fitted():
    @njit
    def misfit(x, y, t):
        f = 0.0
        for j in range(t.size):
            f += 0.5 * (x[0] * t[j] - y[j]) ** 2
        return f

    t = np.linspace(0.0, 1.0, 4)
    given = misfit, np.zeros((2, 1)), np.array([[0.5], [-1.0]]) * t, t
    if SIMULATED:  # which compiles nothing, and so makes no gradients
        with pytest.raises(ValueError, match="got 'forward'"):
            NAMES["fitted"](*given)
    else:
        np.testing.assert_allclose(NAMES["fitted"](*given), [[0.5], [-1.0]], atol=1e-4)


def test_trained():
    @cuda.jit
    def kernel(w, g, X, y, loss):
        loss[0] = 0
        for i in range(X.shape[0]):
            r = X[i, 0] * w[0] - y[i]
            g[0] += r * X[i, 0]
            loss[0] += 0.5 * r * r

    def loss_and_grad(w, g, X, y):
        loss = cuda.device_array(1)
        kernel[1, 1](w, g, X, y, loss)
        return loss

    X = np.linspace(-1.0, 1.0, 64)[:, None]
    w = NAMES["trained"](loss_and_grad, np.zeros(1), X, 0.5 * X[:, 0])
    np.testing.assert_allclose(w, 0.5, atol=0.03)  # Adam swings about it
