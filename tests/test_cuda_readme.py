"""What README.md says of GPUs runs."""

import numpy as np
from numba import cuda, njit
from on_cuda import SIMULATED  # noqa: F401  # skips without CUDA
from test_readme import BLOCKS

BLOCK = next(block for block in BLOCKS if "to_device" in block)
NAMES: dict = {}
exec(compile(BLOCK, "<README's example on a GPU>", "exec"), NAMES)


def test_stepped():
    np.testing.assert_allclose(NAMES["stepped"](np.ones(3), np.full(3, 2.0)), 0.9, rtol=1e-6)


def test_fitted():
    @njit
    def misfit(x, grad, y, t):
        f, grad[:] = 0.0, 0.0
        for j in range(t.size):
            r = x[0] * t[j] - y[j]
            f += 0.5 * r * r
            grad[0] += r * t[j]
        return f

    t = np.linspace(0.0, 1.0, 4)
    x = NAMES["fitted"](misfit, np.zeros((2, 1)), np.array([[0.5], [-1.0]]) * t, t)
    np.testing.assert_allclose(x, [[0.5], [-1.0]], atol=1e-4)


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
