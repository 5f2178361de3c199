"""The CUDA kernels of the losses of ``fastopt compare``: loops of grid_matrix.py, bound to the losses' own pieces."""

import math
from functools import cache

from numba import types

from . import cuda, grid, grid_matrix
from .cuda_bind import bound

TILE = math.isqrt(cuda.THREADS)


def _array(scalar, ndim, order="C"):
    return types.Array(scalar, ndim, order)


@cache
def product(scalar, a, b) -> cuda.Kernel:
    """``(A, B, C)``, A and B in these orders, with ``tiles(C.shape)`` blocks of TILE² threads."""
    function = bound(grid_matrix.product, SCALAR=scalar, TILE=TILE)
    return cuda.Kernel(function, _array(scalar, 2, a), _array(scalar, 2, b), _array(scalar, 2))


def tiles(shape) -> int:
    return math.prod(-(-n // TILE) for n in shape)


@cache
def rows(piece, scalar, ndim, label) -> cuda.Kernel:
    """``(matrix, y, losses)``"""
    function = bound(grid_matrix.rows, function=piece)
    return cuda.Kernel(function, _array(scalar, ndim), _array(label, 1), _array(types.float64, 1))


@cache
def columns(piece, scalar) -> cuda.Kernel:
    """``(matrix, out)``"""
    return cuda.Kernel(bound(grid_matrix.columns, function=piece), _array(scalar, 2), _array(scalar, 1))


@cache
def elements(piece, scalar, ndim) -> cuda.Kernel:
    """``(matrix, other)``; ``other`` is a matrix, or a vector with an item for each column."""
    template = grid_matrix.elements if ndim == 2 else grid_matrix.elements_by_column
    return cuda.Kernel(bound(template, function=piece), _array(scalar, 2), _array(scalar, ndim))


@cache
def penalties(piece, scalar) -> cuda.Kernel:
    """``(params, grads, weight, losses)``, flat"""
    flat, function = _array(scalar, 1), bound(grid_matrix.penalties, function=piece)
    return cuda.Kernel(function, flat, flat, types.float64, _array(types.float64, 1))


@cache
def add_up() -> cuda.Kernel:
    """``(values, n, out)``, in one block: adds their sum to ``out[0]``."""
    pointer = types.CPointer(types.float64)
    function = bound(grid.total, terms=grid_matrix.single, finish=grid_matrix.add_up)
    return cuda.Kernel(function, pointer, types.int64, pointer)
