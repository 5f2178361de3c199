"""The CUDA kernels of the losses of ``fastopt compare``: loops/matrices.py, bound to the losses' own pieces."""

import math
from functools import cache

from numba import types

from . import gpu
from .bind import bound
from .loops import matrices as loops
from .loops import norms

TILE = math.isqrt(gpu.THREADS)


def _array(scalar, ndim, order="C"):
    return types.Array(scalar, ndim, order)


@cache
def product(scalar, a, b) -> gpu.Kernel:
    """``(A, B, C)``, A and B in these orders, with ``tiles(C.shape)`` blocks of TILE² threads."""
    function = bound(loops.product, SCALAR=scalar, TILE=TILE)
    return gpu.Kernel(function, _array(scalar, 2, a), _array(scalar, 2, b), _array(scalar, 2))


def tiles(shape) -> int:
    return math.prod(-(-n // TILE) for n in shape)


@cache
def rows(piece, scalar, ndim, label) -> gpu.Kernel:
    """``(matrix, y, losses)``"""
    function = bound(loops.rows, function=piece)
    return gpu.Kernel(function, _array(scalar, ndim), _array(label, 1), _array(types.float64, 1))


@cache
def columns(piece, scalar) -> gpu.Kernel:
    """``(matrix, out)``"""
    return gpu.Kernel(bound(loops.columns, function=piece), _array(scalar, 2), _array(scalar, 1))


@cache
def elements(piece, scalar, ndim) -> gpu.Kernel:
    """``(matrix, other)``; ``other`` is a matrix, or a vector with an item for each column."""
    template = loops.elements if ndim == 2 else loops.elements_by_column
    return gpu.Kernel(bound(template, function=piece), _array(scalar, 2), _array(scalar, ndim))


@cache
def penalties(piece, scalar) -> gpu.Kernel:
    """``(params, grads, weight, losses)``, flat"""
    flat, function = _array(scalar, 1), bound(loops.penalties, function=piece)
    return gpu.Kernel(function, flat, flat, types.float64, _array(types.float64, 1))


@cache
def add_up() -> gpu.Kernel:
    """``(values, n, out)``, in one block: adds their sum to ``out[0]``."""
    pointer = types.CPointer(types.float64)
    function = bound(norms.total, terms=loops.single, finish=loops.add_up)
    return gpu.Kernel(function, pointer, types.int64, pointer)
