"""What README.md says of GPUs runs."""

import numpy as np
import on_cuda  # noqa: F401  which skips these tests where CUDA is missing
from numba import cuda
from test_readme import BLOCKS

BLOCK = next(block for block in BLOCKS if "to_device" in block)
NAMES: dict = {}
exec(compile(BLOCK, "<README's example on a GPU>", "exec"), NAMES)


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
