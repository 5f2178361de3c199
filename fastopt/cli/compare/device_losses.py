"""The losses of ``fastopt.problems`` on a GPU: their own text, with pieces that launch kernels."""

from types import SimpleNamespace

import numba
import numpy as np

from ...kernels.cuda import gpu, kernels, matrices
from ...linking import link, link_read
from ...problems import pieces


class DeviceLoss:
    """``loss_and_grad(params, grads, X, y)`` for Numba device arrays, made from one for the CPU.

    Everything is queued on the default stream. The loss is returned in an array of one on the device, which the next
    call writes again.
    """

    def __init__(self, loss, dtype):
        self.dtype, self.scalar = np.dtype(dtype), numba.from_dtype(np.dtype(dtype))
        self.sum, self._stream = gpu.from_host(np.zeros(1)), gpu.stream(0, 0)
        self._scratch: dict = {}
        self._used = 0
        names = SimpleNamespace(dot=self._dot)
        own = SimpleNamespace(
            predict=link(pieces.predict.py_func, np=names),
            add_penalty=self._penalty,
            sum_rows=self._sum_rows,
            **{name: self._by_element(getattr(pieces, name)) for name in ("tanh", "add_to_rows", "through_tanh")},
        )
        likelihood = self._by_row(loss.py_func.__globals__["likelihood"])
        self._loss = link(loss.py_func, np=names, pieces=own, likelihood=likelihood)

    def __call__(self, params, grads, X, y):
        self._used = 0
        kernels.fill(np.dtype(float))(self._stream, 1, gpu.pointer(self.sum), 1, 0.0)
        self._loss(*(wrapped(nest) for nest in (params, grads)), View(X), View(y))
        return self.sum

    # --- the pieces; each adds its part of the loss to ``sum`` --------------------------------------------------------

    def _by_row(self, piece):
        text = of_row(piece)

        def run(scores, y):
            kernel = matrices.rows(text, self.scalar, scores.a.ndim, numba.from_dtype(y.a.dtype))
            losses = self._new((len(y),), np.float64)
            self._launch(kernel, len(y), scores.a, y.a, losses.a)
            self._add_up(losses.a)
            return 0.0

        return run

    def _by_element(self, piece):
        def run(matrix, other):
            kernel = matrices.elements(piece.py_func, self.scalar, other.a.ndim)
            self._launch(kernel, matrix.a.size, matrix.a, other.a)

        return run

    def _sum_rows(self, matrix, out):
        self._launch(matrices.columns(pieces.sum_rows.py_func, self.scalar), len(out), matrix.a, out.a)

    def _penalty(self, params, grads, weight):
        theta, grad = params.flat(), grads.flat()
        if weight:
            losses = self._new(theta.a.shape, np.float64)
            kernel = matrices.penalties(pieces.penalise.py_func, self.scalar)
            self._launch(kernel, theta.a.size, theta.a, grad.a, weight, losses.a)
            self._add_up(losses.a)
        return 0.0

    def _dot(self, A, B, out=None):
        shape = A.a.shape[:1] + B.a.shape[1:]
        out = self._new(shape, self.dtype) if out is None else out
        kernel = matrices.product(self.scalar, A.order, B.order)
        arrays = (v.matrix().a for v in (A, B, out))
        kernel(self._stream, matrices.tiles((*out.a.shape, 1)[:2]), *arrays, threads=matrices.TILE**2)
        return out

    def _add_up(self, losses):
        matrices.add_up()(self._stream, 1, gpu.pointer(losses), losses.size, gpu.pointer(self.sum))

    def _launch(self, kernel, threads, *arguments):
        kernel(self._stream, kernels.blocks(threads, 1), *arguments)

    def _new(self, shape, dtype):
        """Memory that the same place in the loss gets again in the next call."""
        self._used += 1
        key = self._used, shape
        if key not in self._scratch:
            flat = gpu.array(int(np.prod(shape)), dtype)
            self._scratch[key] = View(gpu.view(gpu.address_of(flat), shape, "C", np.dtype(dtype), flat))
        return self._scratch[key]


class View:
    """A device array, ``a``, with what the losses ask of NumPy's."""

    def __init__(self, a, order="C"):
        self.a, self.order = a, order

    def __len__(self):
        return self.a.shape[0]

    @property
    def T(self):
        return self._of(self.a.shape[::-1], "F" if self.order == "C" else "C")

    def flat(self):
        return self._of((self.a.size,), "C")

    def matrix(self):
        """A vector as a matrix of one column."""
        return self if self.a.ndim == 2 else self._of((self.a.size, 1), "C")

    def _of(self, shape, order):
        return View(gpu.view(gpu.address_of(self.a), shape, order, self.a.dtype, self.a), order)


def wrapped(nest):
    return nest._make(map(View, nest)) if hasattr(nest, "_fields") else View(nest)


# --- by CUDA's own functions, of one row ----------------------------------------------------------------------------


def of_row(piece):
    """A distribution's own text, without what is ours for the CPU's vector registers."""
    return link_read(piece.py_func, exp_of=exp_of, exp_and_log1p=exp_and_log1p)


def exp_and_log1p(numbers):
    small = np.exp(-abs(numbers[0]))
    return (small,), (np.log1p(small),)


def exp_of(matrix):
    for i in range(len(matrix)):
        for j in range(matrix.shape[1]):
            matrix[i, j] = np.exp(matrix[i, j])
