"""Where PyTorch's tensors are: what their C++ objects say, read by compiled code.

In Python a tensor costs some 50 ns for each thing that is asked of it, in compiled code 1. Where the objects keep what
is read is tried out once (torch/objects.py); where that fails, Python asks.
"""

import math
from functools import cache

from numba import types

from .bind import compiled
from .gather import ITEMS, TYPE
from .loops.tensors import (
    NUMBER,
    OWN,
    OWN_BYTES,
    OWNS,
    SIZE,
    STATE,
    STEP,
    STEP_BYTES,
    TAKEN,
    WORD,
    G,
    P,
    T,
)
from .memory import load64, load_float, store64, store_float

OBJECT = 16  # bytes from the start of Python's object to the address of PyTorch's
SEPARATE = -1  # the size of a row that Python must look at
MOST = 2.0**53  # steps, of which a float64 knows each

# The lists of a look; the cells of what it knows: objects by their addresses, the dtype; where a tensor has its size,
# storage, and start therein in items, and a storage its memory, and how many bytes that has; then words that tell kinds
# of tensors, each as an offset, the bits that count, and what these are in dense, contiguous float32 tensors of the
# CPU's, and in float64. And what a look leaves there: how many elements there are, and gradients.
PARAMETERS, GRADIENTS, STEPS, OWN_NUMBERS, SLOTS = 0, 1, 2, 3, 3 + OWNS
TOTAL, LIVE, NONE, TENSOR, PARAMETER, DTYPE, NUMEL, STORAGE, START, MEMORY, NBYTES, WORDS, KINDS = range(13)
FLOAT32, FLOAT64 = range(2)


def looked(lists, places, table, rows, width, known):
    """Fill the table with where tensors are, from lists of them; the number of rows that Python must look at.

    All are addresses: of a list of lists (parameters, gradients, steps, own numbers in two, each slot of the state), of
    where parameters must be, or 0, of the table and of what is known. A row without a gradient is left out of the step.
    """
    separate = total = live = 0
    inner, dtype = load64(lists + ITEMS), load64(known + WORD * DTYPE)
    for i in range(rows):
        row, place = table + WORD * width * i, load64(places + WORD * i)
        store64(row + WORD * SIZE, 0)
        store64(row + WORD * T, 0)
        p = item(inner, PARAMETERS, i)
        if item(inner, GRADIENTS, i) == load64(known + WORD * NONE):
            continue
        live += 1
        store64(row + WORD * SIZE, SEPARATE)
        size = size_of(p, known)
        if (
            parameter(row, p, place, dtype, known)
            and noted(row, G, item(inner, GRADIENTS, i), size, dtype, known)
            and apart(row, size, dtype)
            and state(row, width, inner, i, size, dtype, known)
            and number(row, STEP, STEP_BYTES, item(inner, STEPS, i), known)
            and own_numbers(row, inner, i, known)
            and counted(row)
        ):
            store64(row + WORD * SIZE, size)
            store64(row + WORD * T, 1 + taken(row))
            total += size
        else:
            separate += 1
    store64(known + WORD * TOTAL, total)
    store64(known + WORD * LIVE, live)
    return separate


def item(inner, k, i):
    """Item i of list k."""
    return load64(load64(load64(inner + WORD * k) + ITEMS) + WORD * i)


def plain(tensor, dtype, known):
    """Whether an object is a dense and contiguous tensor of the CPU's with this dtype."""
    there = load64(tensor + OBJECT)
    for k in range(load64(known + WORD * WORDS)):
        word = known + WORD * (KINDS + 4 * k)
        if load64(there + load64(word)) & load64(word + WORD) != load64(word + WORD * (2 + dtype)):
            return False
    return True


def size_of(tensor, known):
    return load64(load64(tensor + OBJECT) + load64(known + WORD * NUMEL))


def memory(tensor, dtype, known):
    """The address of a plain tensor's first element; 0 where its storage was freed, or is too small for it."""
    there, itemsize = load64(tensor + OBJECT), 4 + 4 * dtype
    storage, start = load64(there + load64(known + WORD * STORAGE)), load64(there + load64(known + WORD * START))
    if itemsize * (start + size_of(tensor, known)) > load64(storage + load64(known + WORD * NBYTES)):
        return 0
    return load64(storage + load64(known + WORD * MEMORY)) + itemsize * start


def parameter(row, tensor, place, dtype, known):
    """Note where a parameter is; whether it is plain, and where it must be."""
    kind = load64(tensor + TYPE)
    if kind != load64(known + WORD * PARAMETER) and kind != load64(known + WORD * TENSOR):
        return False
    if not plain(tensor, dtype, known):
        return False
    at = memory(tensor, dtype, known)
    store64(row + WORD * P, at)
    return place in (0, at)


def apart(row, size, dtype):
    """Whether a parameter has memory, and all of it or nothing in common with its gradient."""
    p, g = load64(row + WORD * P), load64(row + WORD * G)
    return size == 0 or (p != 0 and (p == g or abs(p - g) >= (4 + 4 * dtype) * size))


def noted(row, at, tensor, size, dtype, known):
    """Note where a tensor of a parameter's is; whether it is plain, of its size, and has memory."""
    if load64(tensor + TYPE) != load64(known + WORD * TENSOR) or not plain(tensor, dtype, known):
        return False
    address = memory(tensor, dtype, known)
    store64(row + WORD * at, address)
    return size_of(tensor, known) == size and (size == 0 or address != 0)


def state(row, width, inner, i, size, dtype, known):
    """The same of its state."""
    fits = True
    for k in range(width - STATE):
        fits = fits and noted(row, STATE + k, item(inner, SLOTS + k, i), size, dtype, known)
    return fits


def number(row, at, nbytes, tensor, known):
    """Note where one number is that a tensor has, if it has it; whether it is a plain one."""
    store64(row + WORD * nbytes, 0)
    if tensor == load64(known + WORD * NONE):
        return True
    if load64(tensor + TYPE) != load64(known + WORD * TENSOR):
        return False
    dtype = FLOAT32 if plain(tensor, FLOAT32, known) else FLOAT64
    store64(row + WORD * nbytes, 4 + 4 * dtype)
    return noted(row, at, tensor, 1, dtype, known)


def own_numbers(row, inner, i, known):
    """The same of the numbers that only some rules' tensors have."""
    fits = True
    for k in range(OWNS):
        fits = fits and number(row, OWN + k, OWN_BYTES + k, item(inner, OWN_NUMBERS + k, i), known)
    return fits


def counted(row):
    """Whether the steps taken are a count."""
    nbytes = load64(row + WORD * STEP_BYTES)
    t = load_float(load64(row + WORD * STEP), nbytes) if nbytes > 0 else 0.0
    return 0.0 <= t < MOST and t == math.floor(t)


def taken(row):
    """How many steps a tensor has taken; its own numbers are noted, too."""
    for k in range(OWNS):
        nbytes = load64(row + WORD * (OWN_BYTES + k))
        if nbytes > 0:
            store_float(row + WORD * (NUMBER + k), WORD, load_float(load64(row + WORD * (OWN + k)), nbytes))
    nbytes = load64(row + WORD * STEP_BYTES)
    return int(load_float(load64(row + WORD * STEP), nbytes)) if nbytes > 0 else load64(row + WORD * TAKEN)


@cache
def look():
    """The compiled look, for any rule and dtype."""
    return compiled(looked, "looked", types.int64(*(types.int64,) * 6), nogil=False)  # the lists must not change
