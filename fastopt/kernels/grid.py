"""The loops of CUDA kernels: what one thread of the grid does. Like templates.py they know no algorithm.

Arrays are pointers to flat memory, so that a launch takes plain integers. What stands for something is bound in, once
per kernel (cuda_bind.py); the names ``cuda``, ``THREADS`` and ``AT`` too.
"""

import math
from typing import Any

from numba import types

from .reduce import SMALL, clamp, settled

cuda: Any = None
THREADS = AT = 0
EACH = 4  # elements that a thread of ``sweep`` has in flight
WIDE = True  # whether squares may leave float64's range


# --- tuples of any length: a function for one item, at ``AT``, and one that joins two functions --------------------


def first(*args):
    """Stands for the function for the first half of the items, as ``second`` for the second half."""


second = first


def join(*args):
    return first(*args) + second(*args)


def both(*args):
    first(*args)
    second(*args)


def none(*args):
    return ()


def read(arrays, i):
    """``(arrays[0][i], arrays[1][i], ...)``"""
    return (arrays[AT][i],)


def write(arrays, i, values):
    """``arrays[0][i], arrays[1][i], ... = values[1:]``"""
    arrays[AT][i] = values[AT + 1]


def take(memory):
    """``(memory[0], memory[1], ...)``"""
    return (memory[AT],)


def put(memory, values):
    """``memory[0], memory[1], ... = values``"""
    memory[AT] = values[AT]


# --- steps ---------------------------------------------------------------------------------------------------------


def update(p, g, *state_and_coefficients):
    """Stands for a rule's update."""


def coefficients(t, *hyper):
    """Stands for a rule's coefficients."""


def prepare(*given):
    """Stands for one of the four functions below."""


def loaded():
    """Stands for a barrier. Loads would sink to their first use, behind the branches of roots and divisions."""


def plain(c):
    """The coefficients, in the dtype of the arrays."""
    return c


def held(memory):
    """The coefficients that ``advance`` left on the device."""
    return take(memory)


def scaled(c, factor):
    """With the gradient's scale, which is the last but one, times that of ``clip_norm``."""
    return c[:-2] + (c[-2] * factor[0], c[-1])


def held_scaled(memory, factor):
    return scaled(take(memory), factor)


def sweep(p, g, state, n, given):
    """One step. A block's tile is EACH elements per thread; all are loaded before the first is used."""
    c = prepare(*given)
    w = cuda.blockDim.x
    tile = EACH * w
    start = cuda.blockIdx.x * tile
    while start < n:
        i = start + cuda.threadIdx.x
        if start + tile <= n:
            j, k, l = i + w, i + 2 * w, i + 3 * w  # noqa: E741
            p0, p1, p2, p3 = p[i], p[j], p[k], p[l]
            g0, g1, g2, g3 = g[i], g[j], g[k], g[l]
            s0, s1, s2, s3 = read(state, i), read(state, j), read(state, k), read(state, l)
            loaded()
            new0, new1 = update(p0, g0, *(s0 + c)), update(p1, g1, *(s1 + c))
            new2, new3 = update(p2, g2, *(s2 + c)), update(p3, g3, *(s3 + c))
            p[i], p[j], p[k], p[l] = new0[0], new1[0], new2[0], new3[0]
            write(state, i, new0)
            write(state, j, new1)
            write(state, k, new2)
            write(state, l, new3)
        else:
            while i < n:
                new = update(p[i], g[i], *(read(state, i) + c))
                p[i] = new[0]
                write(state, i, new)
                i += w
        start += cuda.gridDim.x * tile


def advance(t, by, hyper, memory):
    """Count a step on the device, and leave the coefficients there: in one thread."""
    t[0] += by
    put(memory, coefficients(t[0], *take(hyper)))


# --- norms: sums of squares in two passes, each adding up in a fixed order -----------------------------------------


def terms(given, k):
    """Stands for what is added up: ``squares`` in the first pass, ``sums`` in the second."""


def finish(out, block, a, b, c):
    """Stands for what becomes of the sums: ``keep``, then ``judge``."""


def total(given, n, out):
    """Add up n terms of three numbers: each thread its own, then the threads of a block in halves."""
    a = b = c = 0.0
    k = cuda.grid(1)
    while k < n:
        x, y, z = terms(given, k)
        a, b, c = a + x, b + y, c + z
        k += cuda.gridsize(1)
    box = cuda.shared.array((3, THREADS), types.float64)
    lane, half = cuda.threadIdx.x, THREADS // 2
    box[0, lane], box[1, lane], box[2, lane] = a, b, c
    while half > 0:
        cuda.syncthreads()
        if lane < half:
            for row in range(3):
                box[row, lane] += box[row, lane + half]
        half //= 2
    if lane == 0:
        finish(out, cuda.blockIdx.x, box[0, 0], box[1, 0], box[2, 0])


def squares(given, k):
    """Of an element, clipped, in the units that reduce.py tries one after the other."""
    g, bound = given
    x = clamp(types.float64(g[k]), bound)
    square = x * x
    if WIDE:
        small, large = SMALL * x, x / SMALL
        return square, small * small, large * large
    return square, square, square


def sums(partial, k):
    return partial[3 * k], partial[3 * k + 1], partial[3 * k + 2]


def keep(partial, block, a, b, c):
    partial[3 * block], partial[3 * block + 1], partial[3 * block + 2] = a, b, c


def judge(out, block, a, b, c):
    """The factor of ``clip_norm``, in both dtypes, and whether all was finite."""
    clip, factor32, factor64, finite = out
    norm = math.sqrt(c) * SMALL
    if settled(a, 1.0):
        norm = math.sqrt(a)
    elif settled(b, SMALL):
        norm = math.sqrt(b) / SMALL
    factor = clip / (norm + 1e-6)
    factor = 1.0 if factor > 1.0 else factor  # NaN stays NaN
    factor32[0] = factor64[0] = factor
    finite[0] = 1 if math.isfinite(b) else 0


# --- memory --------------------------------------------------------------------------------------------------------


def fill(p, n, value):
    i = cuda.grid(1)
    while i < n:
        p[i] = value
        i += cuda.gridsize(1)


def add(out, n, more):
    i = cuda.grid(1)
    while i < n:
        out[i] += more[i]
        i += cuda.gridsize(1)


def scale(p, n, factor):
    i = cuda.grid(1)
    while i < n:
        p[i] *= factor
        i += cuda.gridsize(1)


def pick(source, order, first, count, width, out):
    """Rows ``order[first]``, ``order[first + 1]``, ... of a matrix, one after the other."""
    i = cuda.grid(1)
    while i < count * width:
        out[i] = source[order[first + i // width] * width + i % width]
        i += cuda.gridsize(1)


def note(table, values):
    """Write addresses into a table: launch arguments need no copy that the host would wait for. In one thread."""
    for k in range(len(values)):
        table[k] = values[k]


def gather(sources, starts, count, out):
    """Copy many arrays one after the other; array k goes to ``out[starts[k]:starts[k + 1]]``."""
    i = cuda.grid(1)
    while i < starts[count]:
        low, high = 0, count - 1
        while low < high:  # the last array that starts at i or before
            middle = (low + high + 1) // 2
            if starts[middle] <= i:
                low = middle
            else:
                high = middle - 1
        out[i] = sources[low][i - starts[low]]
        i += cuda.gridsize(1)
