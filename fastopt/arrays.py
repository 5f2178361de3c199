"""What an array is (kind, dtype, layout), and nests of arrays: how they are flattened, matched and packed."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .errors import describe, listing

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
ALIGNMENT = 64  # bytes: a cache line, and the widest vector


# --- one array -----------------------------------------------------------------------------------------------------


def check_kind(name, a):
    """Raise unless ``a`` is a NumPy array of float32 or float64 that a kernel can read."""
    if type(a) is not np.ndarray and type(a) is not np.memmap:
        if hasattr(a, "__cuda_array_interface__"):
            raise RuntimeError(f"{name} must be a NumPy array: fastopt has no CUDA kernels yet, got {describe(a)}")
        if hasattr(a, "detach"):
            raise TypeError(f"{name} must be a NumPy array, got a PyTorch tensor: pass t.detach().numpy()")
        raise TypeError(f"{name} must be a NumPy array, got {describe(a)}")
    if a.dtype not in DTYPES:
        if a.dtype.newbyteorder("=") in DTYPES:
            raise ValueError(f"{name} must be in native byte order, got dtype {a.dtype.str}")
        raise TypeError(f"{name} must be float32 or float64, got {describe(a)}")
    if not a.flags.aligned:
        raise ValueError(f"{name} must be aligned to its {a.itemsize}-byte items, got a misaligned array")


def check_parameter(name, a):
    """Raise unless ``a`` can be stepped in place."""
    check_kind(name, a)
    if not a.flags.forc:
        raise ValueError(f"{name} must be contiguous (C or Fortran order), got strides {a.strides}")
    if not a.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")


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


def disjoint_spans(names, arrays) -> list[tuple[int, int]]:
    """The sorted spans of the arrays; raise where two of them share memory."""
    spans = sorted((*span(a), name) for name, a in zip(names, arrays) if a.size)
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise ValueError(f"parameters must not overlap in memory, got {first} and {second} that do")
    return [(start, end) for start, end, _ in spans]


# --- nests of arrays -----------------------------------------------------------------------------------------------


def flatten(tree, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a nest of mappings and sequences, each with its name (``params['W'][0]``)."""
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from flatten(child, f"{name}[{key!r}]")
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
            yield from leaves_like(child, other[key], f"{name}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)) or len(other) != len(tree):
            got = f"{len(other)} items" if isinstance(other, Sequence) else describe(other)
            raise TypeError(f"{name} must be a sequence of {len(tree)} items, got {got}")
        for i, child in enumerate(tree):
            yield from leaves_like(child, other[i], f"{name}[{i}]")
    else:
        yield other


# --- packed nests --------------------------------------------------------------------------------------------------


class Packed:
    """A nest of arrays whose leaves are views over one buffer per dtype; made by :func:`pack`.

    Reads like the mapping or the sequence it was made from. Assigning to an entry copies into the view (of the same
    shape and dtype), so ``grads["W"] += x`` and ``grads["W"] = x`` both do what they say.

    Attributes
    ----------
    buffers : tuple of 1-D arrays
        The memory behind the views, 64-byte aligned, one array per dtype; empty for an inner node of the nest.
    """

    def __init__(self, children):
        self._children = children
        self.buffers = ()
        self.layout = None  # names, shapes, dtypes and orders of the leaves, where this is the root

    def __getitem__(self, key):
        return self._children[key]

    def __iter__(self):
        return iter(self._children)

    def __len__(self):
        return len(self._children)

    def __setitem__(self, key, value):
        view = self._children[key]
        if value is view:
            return
        if isinstance(view, Packed):
            raise TypeError(f"entry {key!r} is a nest of arrays: assign to its arrays one by one")
        check_kind(f"entry {key!r}", value)
        if value.shape != view.shape or value.dtype != view.dtype:
            raise ValueError(f"entry {key!r} must be {describe(view)}, got {describe(value)}")
        view[...] = value

    def __repr__(self):
        return f"pack({self._children!r})"

    def zeros_like(self):
        """Another packed nest of the same layout, filled with zeros: for gradients."""
        zeros = pack(self, _fill=False)
        if zeros.layout == self.layout:
            zeros.layout = self.layout  # the same object, so that a step compares it at once
        return zeros


class PackedMapping(Packed, Mapping):
    pass


class PackedSequence(Packed, Sequence):
    pass


def pack(params, *, _fill=True):
    """Copy a nest of arrays into views over one aligned buffer, so that a step is one kernel call for all of them.

    Parameters
    ----------
    params : sequence or mapping of arrays, nested as deep as you like
        float32 and float64 arrays, C- or Fortran-ordered (kept), of any shape. They are copied; the views returned
        are the parameters from then on.

    Returns
    -------
    Packed
        A mapping or sequence of the same structure, with ``buffers`` and ``zeros_like()``.

    Raises
    ------
    TypeError, ValueError
        If a leaf is not a contiguous float32 or float64 array.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> params = fastopt.pack({"W": np.ones((2, 3)), "b": np.zeros(3)})
    >>> grads = params.zeros_like()
    >>> grads["W"] += 1.0
    >>> opt = fastopt.SGD(params, lr=0.5)
    >>> opt.step(grads)
    >>> params["W"]
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """
    leaves = list(flatten(params, "params"))
    if leaves and leaves[0][1] is params:
        raise TypeError(f"params must be a sequence or a mapping of arrays, got {describe(params)}")
    for name, leaf in leaves:
        check_kind(name, leaf)
        if not leaf.flags.forc:
            raise ValueError(f"{name} must be contiguous (C or Fortran order), got strides {leaf.strides}")
    buffers = {}
    for dtype in sorted({leaf.dtype for _, leaf in leaves}):
        buffers[dtype] = _aligned_zeros(sum(leaf.size for _, leaf in leaves if leaf.dtype == dtype), dtype)
    used = dict.fromkeys(buffers, 0)
    views = []
    for _, leaf in leaves:
        start = used[leaf.dtype]
        used[leaf.dtype] += leaf.size
        view = buffers[leaf.dtype][start : start + leaf.size].reshape(leaf.shape, order=order_of(leaf))
        if _fill:
            view[...] = leaf
        views.append(view)
    packed = _packed_node(params, iter(views))
    packed.buffers = tuple(buffers.values())
    packed.layout = tuple((name, leaf.shape, leaf.dtype, order_of(leaf)) for name, leaf in leaves)
    return packed


def _packed_node(tree, views):
    if isinstance(tree, Mapping):
        return PackedMapping({key: _packed_node(child, views) for key, child in tree.items()})
    if isinstance(tree, Sequence):
        return PackedSequence([_packed_node(child, views) for child in tree])
    return next(views)


def _aligned_zeros(size, dtype):
    raw = np.zeros(size * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + size * dtype.itemsize].view(dtype)
