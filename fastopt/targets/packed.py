"""Nests of arrays over one buffer, which a kernel steps in one call."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays.nests import flatten, rebuild, steps
from ..errors import describe, quote
from . import target_of


class Packed:
    """A nest of arrays that are views over one buffer per dtype; made by :func:`pack`.

    Reads like the mapping or the sequence it was made from. Assigning to an entry copies into the view (of the same
    shape and dtype), so ``grads["W"] += x`` and ``grads["W"] = x`` both do what they say.

    Attributes
    ----------
    buffers : tuple of 1-D arrays
        The memory behind the views, 64-byte aligned, one array per dtype; empty for an inner node of the nest.
    """

    def __init__(self, children, target):
        self._children, self._target = children, target
        self.buffers: tuple[np.ndarray, ...] = ()
        self.layout = None  # places in the nest, shapes, dtypes and orders of the leaves, where this is the root

    def __getitem__(self, key):
        return self._children[key]

    def __iter__(self):
        return iter(self._children)

    def __len__(self):
        return len(self._children)

    def __setitem__(self, key, value):
        view, name = self._children[key], f"entry {quote(key, 40)}"
        if value is view:
            return
        if isinstance(view, (Packed, list)):
            raise TypeError(f"{name} must be assigned array by array, got {describe(value)} for a nest of arrays")
        self._target.assign(name, view, value)

    def __reduce__(self):
        """Copies and pickles are packed anew: their views would not be views of their buffers."""
        return pack, (rebuild(self, (leaf for _, leaf in flatten(self, ""))),)

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
        float32 and float64 arrays of any shape, in C or Fortran order (which is kept), all on the CPU or all on one
        GPU. They are copied: from then on the returned views are the parameters (Numba device arrays on a GPU).

    Returns
    -------
    Packed
        A mapping or sequence of the same structure, with ``buffers`` and ``zeros_like()``.

    Raises
    ------
    TypeError, ValueError
        If one of them is not a contiguous float32 or float64 array.

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
    target = target_of(leaves[:1])
    places = [target.describe(name, leaf) for name, leaf in leaves]
    buffers = {}
    for dtype in sorted({place.dtype for place in places}):
        buffers[dtype] = target.zeros(sum(place.size for place in places if place.dtype == dtype), dtype)
    used = dict.fromkeys(buffers, 0)
    views = []
    for (_, leaf), place in zip(leaves, places):
        start = used[place.dtype]
        used[place.dtype] += place.size
        view = target.view(buffers[place.dtype], start, used[place.dtype], place.shape, place.order)
        if _fill:
            target.write(view, target.array(place, leaf))
        views.append(view)
    packed = _packed_node(params, iter(views), target)
    packed.buffers = tuple(buffers.values())
    packed.layout = tuple((path, p.shape, p.dtype, p.order) for path, p in zip(steps(params, "params"), places))
    return packed


def _packed_node(tree, views, target):
    if isinstance(tree, Mapping):
        return PackedMapping({key: _packed_node(child, views, target) for key, child in tree.items()}, target)
    if isinstance(tree, Sequence):
        return PackedSequence([_packed_node(child, views, target) for child in tree], target)
    return next(views)
