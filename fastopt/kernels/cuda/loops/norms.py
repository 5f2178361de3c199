"""Norms on the device: sums of squares in two passes, each adding up in a fixed order."""

from numba import types

from ....linking import UNBOUND, link, stand_in
from ...modifiers import PART, clamp
from ...norms import SMALL, are_finite, clip_factor, norm_of

cuda = UNBOUND
THREADS = UNBOUND
WIDE = UNBOUND  # whether squares may leave float64's range


@stand_in
def terms(given, k):
    """Stands for what is added up: ``squares`` in the first pass, ``sums`` in the second."""


@stand_in
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
    """Of an element, clipped, in the units that kernels/norms.py tries one after the other."""
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
    factor32[0] = factor64[0] = PART * clip_factor(norm_of_sums((a, b, c)), clip)
    finite[0] = 1 if are_finite(b) else 0


def picked(in_units, bound, unit):
    """For ``squares_of`` of norms.py: of the sums in its units, which are all there, clipped, the one in this."""
    return in_units[0] if unit == 1.0 else in_units[1] if unit < 1.0 else in_units[2]


norm_of_sums = link(norm_of, squares_of=picked)
