"""What an array is (kind, dtype, layout), and nests of arrays: how they are flattened and matched."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from . import dlpack
from .errors import describe, listing, shorten

STREAMS = ("torch", "cupy")  # libraries that have a current stream
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# --- one array -----------------------------------------------------------------------------------------------------


def library_of(a) -> str:
    """The package that an array's type comes from; of a subclass of one in ``STREAMS``, that one."""
    kind: Any = type(a)
    return _library_of(kind)


@lru_cache(maxsize=256)
def _library_of(kind) -> str:
    roots = [base.__module__.partition(".")[0] for base in kind.__mro__]
    return next((root for root in roots if root in STREAMS), roots[0])


def is_numbas(a) -> bool:
    """Whether it is a Numba device array, whose memory stays where it is."""
    return hasattr(type(a), "__cuda_ndarray__")


def is_on_device(a) -> bool:
    """Whether an array is on a GPU. Imports nothing, and asks no driver."""
    if isinstance(a, np.ndarray):
        return False
    if library_of(a) == "torch":
        return bool(getattr(a, "is_cuda", False))
    if is_numbas(a):
        return True
    try:
        return hasattr(a, "__cuda_array_interface__") or dlpack.is_on_cuda(a)
    except Exception:  # what libraries raise for an array that is on the CPU
        return False


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


# --- nests of arrays -----------------------------------------------------------------------------------------------


def flatten(tree, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a nest of mappings and sequences, each with its name (``params['W'][0]``)."""
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from flatten(child, f"{name}[{shorten(repr(key), 40)}]")
    elif isinstance(tree, (list, tuple, Sequence)) and not isinstance(tree, (str, bytes)):
        for i, child in enumerate(tree):
            yield from flatten(child, f"{name}[{i}]")
    else:
        yield name, tree


def rebuild(tree, leaves: Iterator):
    """The same nest with other leaves, of dicts, lists and tuples."""
    if isinstance(tree, Mapping):
        return {key: rebuild(child, leaves) for key, child in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(child, leaves) for child in tree))
    if isinstance(tree, (list, tuple, Sequence)) and not isinstance(tree, (str, bytes)):
        return (tuple if isinstance(tree, tuple) else list)(rebuild(child, leaves) for child in tree)
    return next(leaves)


def leaves_like(tree, other, name: str) -> Iterator[Any]:
    """The leaves of ``other``, which must be nested like ``tree``; a leaf of ``other`` may be anything."""
    if isinstance(tree, Mapping):
        if not isinstance(other, Mapping) or other.keys() != tree.keys():
            got = f"the keys {listing(other)}" if isinstance(other, Mapping) else describe(other)
            raise TypeError(f"{name} must be a mapping with the keys {listing(tree)}, got {got}")
        for key, child in tree.items():
            yield from leaves_like(child, other[key], f"{name}[{shorten(repr(key), 40)}]")
    elif isinstance(tree, (list, tuple)):
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)) or len(other) != len(tree):
            got = f"{len(other)} items" if isinstance(other, Sequence) else describe(other)
            raise TypeError(f"{name} must be a sequence of {len(tree)} items, got {got}")
        for i, child in enumerate(tree):
            yield from leaves_like(child, other[i], f"{name}[{i}]")
    else:
        yield other
