"""Check a list of gradients, and copy it into one buffer, in a single compiled pass.

NumPy's calls cost about 0.2 µs per array and check; a hundred small gradients would cost more than their update. So
compiled code reads the list's and the arrays' C structs. The offsets are probed once against a known array; where they
do not hold (another interpreter, no GIL), ``examine`` is None and callers take the NumPy route. ``ENABLED`` turns it
off.
"""

import ctypes
from functools import cache, cached_property

import numpy as np
from numba import config, types

from .bind import compiled
from .memory import copy, load32, load64

ENABLED = True

# Offsets of the fields that are read, in bytes: PyObject.ob_type, PyListObject.ob_item, PyArrayObject_fields.
TYPE, ITEMS = 8, 24
DATA, NDIM, DIMS, DTYPE, FLAGS = 16, 24, 32, 56, 64
C_ORDER, F_ORDER, ALIGNED, WRITEABLE = 0x1, 0x2, 0x100, 0x400


def overlaps(start, end, spans):
    """Whether [start, end) meets one of the disjoint spans, which are sorted."""
    low, high = 0, spans.shape[0]
    while low < high:  # the number of spans that begin before the end
        middle = (low + high) // 2
        if spans[middle, 0] < end:
            low = middle + 1
        else:
            high = middle
    return low > 0 and spans[low - 1, 1] > start


def examined(objects, kind, table, dims, spans):
    """How many leading items are as the table says (all, if nothing is wrong), copied where it says."""
    items = load64(objects + ITEMS)
    at = 0
    for i in range(table.shape[0]):
        flags, ndim, nbytes, target = table[i, 1], table[i, 2], table[i, 3], table[i, 4]
        a = load64(items + 8 * i)
        if load64(a + TYPE) != kind or load64(a + DTYPE) != table[i, 0] or load32(a + NDIM) != ndim:
            return i
        if load32(a + FLAGS) & flags != flags:
            return i
        shape = load64(a + DIMS)
        for k in range(ndim):
            if load64(shape + 8 * k) != dims[at + k]:
                return i
        at += ndim
        data = load64(a + DATA)
        if nbytes > 0 and overlaps(data, data + nbytes, spans):
            return i
        if target != 0:
            copy(target, data, nbytes)
    return table.shape[0]


def frozen(objects, count):
    """The index of the first array that is read-only, or the count."""
    items = load64(objects + ITEMS)
    for i in range(count):
        if load32(load64(items + 8 * i) + FLAGS) & WRITEABLE == 0:
            return i
    return count


def first_frozen(arrays: list) -> int:
    """The index of the first array that was made read-only, or the number of arrays."""
    compiled_frozen = frozen_kernel()
    if compiled_frozen is not None:
        return compiled_frozen(id(arrays), len(arrays))
    return next((i for i, a in enumerate(arrays) if not a.flags.writeable), len(arrays))


class Table:
    """What ``examine`` expects of a list of gradients.

    Parameters
    ----------
    arrays : list of arrays
        The parameters: dtypes, shapes and orders to match.
    targets : list of int
        Where to copy each gradient, as addresses; 0 for nowhere.
    spans : list of (int, int)
        The addresses that no gradient may overlap: disjoint, sorted.
    """

    def __init__(self, arrays, targets, spans):
        rows = []
        for a, target in zip(arrays, targets):
            order = C_ORDER if a.flags.c_contiguous else F_ORDER
            rows.append((id(a.dtype), order | ALIGNED, a.ndim, a.nbytes, target))
        self.rows = np.array(rows, np.int64).reshape(-1, 5)
        self.dims = np.array([n for a in arrays for n in a.shape], np.int64)
        self.spans = np.array(spans, np.int64).reshape(-1, 2)

    @cached_property
    def examine(self):
        """Compiled when it is first needed."""
        return kernel()

    def accepts(self, gradients: list) -> bool:
        """Whether all gradients are as they must be; then they have been copied. If not, nothing is promised."""
        if self.examine is None or len(gradients) != len(self.rows):
            return False
        done = self.examine(id(gradients), id(np.ndarray), self.rows, self.dims, self.spans)
        return done == len(self.rows)


def possible():
    return ENABLED and not config.DISABLE_JIT and layout_is_known()


@cache
def frozen_kernel():
    return compiled(frozen, "frozen", types.int64(types.int64, types.int64), nogil=False) if possible() else None


@cache
def kernel():
    if not possible():
        return None
    table = types.Array(types.int64, 2, "C")
    signature = types.int64(types.int64, types.int64, table, types.Array(types.int64, 1, "C"), table)
    return compiled(examined, "examined", signature, nogil=False)  # the objects must not change meanwhile


def layout_is_known():
    """Whether this interpreter and NumPy keep the fields where this file reads them."""
    if object.__basicsize__ != 16 or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    held = [a]
    read = ctypes.c_int64.from_address
    return (
        read(id(a) + TYPE).value == id(np.ndarray)
        and read(read(id(held) + ITEMS).value).value == id(a)
        and read(id(a) + DATA).value == a.ctypes.data
        and ctypes.c_int32.from_address(id(a) + NDIM).value == 2
        and read(read(id(a) + DIMS).value + 8).value == 3
        and read(id(a) + DTYPE).value == id(a.dtype)
        and ctypes.c_int32.from_address(id(a) + FLAGS).value & (C_ORDER | ALIGNED) == C_ORDER | ALIGNED
    )
