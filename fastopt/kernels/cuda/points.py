"""The CUDA kernels of loops/points.py, bound to the shape of standard deviations."""

from functools import cache

from numba import types

from . import gpu
from .bind import bound
from .loops import points as loops

COUNTS = types.Array(types.int64, 1, "C")


@cache
def known(y, sigma) -> gpu.Kernel:
    """``(y, sigma, points, wrong)``, with a thread for each curve; the types of y and sigma, that of y for none."""
    deviation = loops.of_none if sigma is None else loops.of_each if sigma.ndim == 2 else loops.of_all
    return gpu.Kernel(bound(loops.known, deviation=deviation), y, y if sigma is None else sigma, COUNTS, COUNTS)


@cache
def reciprocals(scalar) -> gpu.Kernel:
    """``(a, out)``, flat"""
    flat = types.Array(scalar, 1, "C")
    return gpu.Kernel(bound(loops.reciprocals), flat, flat)
