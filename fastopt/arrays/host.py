"""What a NumPy array is: its kind, layout and place in memory, checked."""

from bisect import bisect_left
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import describe
from .libraries import is_on_device

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def check_kind(name, a):
    """Raise unless ``a`` is a NumPy array of float32 or float64 that a kernel can read."""
    if type(a) is not np.ndarray and type(a) is not np.memmap:
        if is_on_device(a):
            raise TypeError(
                f"{name} must be a NumPy array here, got {describe(a)} on the GPU: fastopt.to_host copies it"
            )
        if hasattr(a, "detach"):
            raise TypeError(f"{name} must be a NumPy array, got a PyTorch tensor: pass t.detach().numpy()")
        raise TypeError(f"{name} must be a NumPy array, got {describe(a)}")
    if a.dtype not in DTYPES:
        if a.dtype.kind == "f" and a.dtype.newbyteorder("=") in DTYPES:
            raise ValueError(f"{name} must be in native byte order, got dtype {a.dtype.str}")
        raise TypeError(f"{name} must be float32 or float64, got {describe(a)}")
    if not a.flags.aligned:
        raise ValueError(f"{name} must be aligned to its {a.itemsize}-byte items, got a misaligned array")


def check_writable(name, a):
    if not a.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")


def check_parameter(name, a):
    """Raise unless ``a`` can be stepped in place."""
    check_kind(name, a)
    if not a.flags.forc:
        raise ValueError(f"{name} must be contiguous (C or Fortran order), got strides {a.strides}")
    check_writable(name, a)


def check_gradient(name, g, p, spans):
    """``g`` as an array; raise unless it fits the parameter ``p`` and lies outside the address spans."""
    if p.ndim == 0 and isinstance(g, np.floating):
        g = np.asarray(g)  # what NumPy's own arithmetic makes of 0-d arrays
    check_kind(name, g)
    if g.dtype != p.dtype:
        raise TypeError(f"{name} must have dtype {p.dtype}, got {g.dtype}")
    if g.shape != p.shape:
        raise ValueError(f"{name} must have shape {p.shape}, got {g.shape}")
    if not (g.flags.c_contiguous if order_of(p) == "C" else g.flags.f_contiguous):
        wanted = "C" if order_of(p) == "C" else "Fortran"
        raise ValueError(f"{name} must be contiguous in {wanted} order like its parameter, got strides {g.strides}")
    start, end = span(g)
    i = bisect_left(spans, (end,))  # the number of spans that begin before the end
    if g.size and i and spans[i - 1][1] > start:
        raise ValueError(f"{name} must not overlap the parameters or the optimiser's state, got an array that does")
    return g


def order_of(a) -> Any:
    return "C" if a.flags.c_contiguous else "F"


def flat(a):
    """A contiguous array as one dimension, without a copy."""
    return np.asarray(a).reshape(-1, order=order_of(a))


def span(a) -> tuple[int, int]:
    """The addresses of a contiguous array's first byte and of the byte after its last."""
    start = a.__array_interface__["data"][0]
    return start, start + a.nbytes


def disjoint_spans(named) -> list[tuple[int, int]]:
    """The sorted spans of pairs (name, span), without the empty ones; raise where two of them share memory."""
    spans = sorted((start, end, name) for name, (start, end) in named if start < end)
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise ValueError(f"parameters must not overlap in memory, got {first} and {second} that do")
    return [(start, end) for start, end, _ in spans]


def refuse_device(name, a):
    if is_on_device(a):
        raise TypeError(f"{name} must be on the CPU, got {describe(a)} on the GPU: fastopt.to_host copies it")
