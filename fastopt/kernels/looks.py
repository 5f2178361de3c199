"""Where PyTorch's tensors are: their addresses and kinds, read by compiled code through PyTorch's stable C interface.

In Python a tensor costs some 50 ns for each thing that is asked of it, in compiled code 2. A handle of that interface
points to where a tensor object holds its address, which is tried out once (torch/tensors.py).
"""

from functools import cache

from numba import types

from .bind import compiled
from .gather import ITEMS, TYPE
from .loops.tensors import G, OWN, OWN_BYTES, P, SIZE, STATE, STEP, STEP_BYTES, T, TAKEN
from .memory import asked, load64, load_float

HANDLE = 16  # bytes from a tensor object to what a handle points to
SEPARATE = -1  # the size of a row that Python must look at

# What is asked, by the names of the C interface; the lists of a look; what of Python's and PyTorch's is known by number.
ASKED = ("get_data_ptr", "get_numel", "get_dtype", "get_device_type", "get_layout", "is_contiguous")
DATA, NUMEL, DTYPE, DEVICE, LAYOUT, CONTIGUOUS = range(len(ASKED))
PARAMETERS, GRADIENTS, STEPS, OWNS, SLOTS = range(5)
NONE, TENSOR, PARAMETER, OF_PARAMETERS, FLOAT32, FLOAT64, TOTAL, LIVE, KNOWN = range(9)


def looked(lists, places, table, own, ask, known):
    """Fill the table with where tensors are, from lists of them; the number of rows that Python must look at.

    ``lists`` is the address of a list of lists: parameters, gradients, steps, own numbers, and each slot of the state.
    A row without a gradient is left out of the step. ``places``: where parameters must be, or 0. ``known`` is told how
    many elements there are, and how many gradients.
    """
    separate = total = live = 0
    inner = load64(lists + ITEMS)
    for i in range(table.shape[0]):
        table[i, SIZE] = table[i, T] = 0
        p, g = item(inner, PARAMETERS, i), item(inner, GRADIENTS, i)
        if g == known[NONE]:
            continue
        table[i, SIZE] = SEPARATE
        separate, live = separate + 1, live + 1
        size = of(p, ask[NUMEL]) if load64(p + TYPE) == known[PARAMETER] or load64(p + TYPE) == known[TENSOR] else -1
        if not (plain(p, size, ask, known) and load64(g + TYPE) == known[TENSOR] and plain(g, size, ask, known)):
            continue
        table[i, P], table[i, G] = of(p, ask[DATA]), of(g, ask[DATA])
        if places[i] != 0 and places[i] != table[i, P]:
            continue
        if size > 0 and (table[i, P] == 0 or table[i, G] == 0):
            continue
        itemsize = 4 if known[OF_PARAMETERS] == known[FLOAT32] else 8
        if table[i, P] != table[i, G] and abs(table[i, P] - table[i, G]) < size * itemsize:
            continue
        if not number(table, i, STEP, STEP_BYTES, item(inner, STEPS, i), ask, known):
            continue
        if not number(table, i, OWN, OWN_BYTES, item(inner, OWNS, i), ask, known):
            continue
        if not slots(inner, i, size, table, ask, known):
            continue
        taken = table[i, TAKEN]
        if table[i, STEP_BYTES] > 0:
            taken = int(load_float(table[i, STEP], table[i, STEP_BYTES]))
        if table[i, OWN_BYTES] > 0:
            own[i] = load_float(table[i, OWN], table[i, OWN_BYTES])
        table[i, SIZE], table[i, T] = size, taken + 1
        separate -= 1
        total += size
    known[TOTAL], known[LIVE] = total, live
    return separate


def item(inner, k, i):
    """Item i of list k."""
    return load64(load64(load64(inner + 8 * k) + ITEMS) + 8 * i)


def of(tensor, question):
    return asked(question, tensor + HANDLE)


def plain(tensor, size, ask, known):
    """Whether a tensor is dense memory of the CPU's, of this size and of the parameters' dtype."""
    return (
        of(tensor, ask[LAYOUT]) == 0
        and of(tensor, ask[DEVICE]) == 0
        and of(tensor, ask[DTYPE]) == known[OF_PARAMETERS]
        and of(tensor, ask[NUMEL]) == size
        and of(tensor, ask[CONTIGUOUS]) == 1
    )


def number(table, i, at, nbytes, tensor, ask, known):
    """Note where one number is that a tensor has, if it has it; whether it is one of float32 or float64."""
    table[i, nbytes] = 0
    if tensor == known[NONE]:
        return True
    if load64(tensor + TYPE) != known[TENSOR] or of(tensor, ask[LAYOUT]) != 0 or of(tensor, ask[DEVICE]) != 0:
        return False
    dtype = of(tensor, ask[DTYPE])
    if of(tensor, ask[NUMEL]) != 1 or (dtype != known[FLOAT32] and dtype != known[FLOAT64]):
        return False
    table[i, at], table[i, nbytes] = of(tensor, ask[DATA]), 4 if dtype == known[FLOAT32] else 8
    return True


def slots(inner, i, size, table, ask, known):
    """Note where the state of a tensor is; whether it is plain."""
    for k in range(table.shape[1] - STATE):
        state = item(inner, SLOTS + k, i)
        if load64(state + TYPE) != known[TENSOR] or not plain(state, size, ask, known):
            return False
        table[i, STATE + k] = of(state, ask[DATA])
    return True


@cache
def look():
    """The compiled look, for any rule and dtype."""
    row, numbers = types.Array(types.int64, 1, "C"), types.Array(types.float64, 1, "C")
    signature = types.int64(types.int64, row, types.Array(types.int64, 2, "C"), numbers, row, row)
    return compiled(looked, "looked", signature, nogil=False)  # the lists must not change meanwhile
