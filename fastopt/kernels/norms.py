"""The norm of a gradient: in chunks of fixed size, added up in a fixed order, so the same at any thread count."""

import math
from functools import cache

import numba
import numpy as np
from numba import prange, types

from ..linking import link, stand_in
from .bind import compiled
from .modifiers import ONE, clamp
from .subnormals import flush_off, flush_on
from .threads import in_threads, limit_threads, restore_threads

CHUNK = 1 << 15  # elements
LANES = 32  # partial sums side by side: a single chain of float additions would not vectorise
PARALLEL_FROM = 1 << 18  # elements


def add_squares(g, bound, unit, lanes):
    """Add (unit*g)**2, with g clipped to ±bound, to the lanes, in float64."""
    control = flush_on()
    whole = g.size - g.size % LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            x = unit * clamp(np.float64(g[i + lane]), bound)
            lanes[lane] += x * x
    for lane in range(g.size - whole):
        x = unit * clamp(np.float64(g[whole + lane]), bound)
        lanes[lane] += x * x
    flush_off(control)


def total(lanes):
    out = 0.0
    for k in range(lanes.shape[0]):
        for lane in range(lanes.shape[1]):
            out += lanes[k, lane]
    return out


def serial(g, bound, unit, lanes):
    lanes[:] = 0.0
    for k in range(lanes.shape[0]):
        add_squares(g[k * CHUNK : (k + 1) * CHUNK], bound, unit, lanes[k])
    return total(lanes)


def parallel(g, bound, unit, lanes, threads):
    lanes[:] = 0.0
    before = limit_threads(threads)
    for k in prange(lanes.shape[0]):
        add_squares(g[k * CHUNK : (k + 1) * CHUNK], bound, unit, lanes[k])
    restore_threads(before)
    return total(lanes)


# The squares of very large and of very small numbers leave float64's range: then once more, scaled (exactly).
SMALL = 2.0**-565  # with it no square of a finite number overflows
UNITS = (1.0, SMALL, 1.0 / SMALL)


def settled(squares, unit):
    """Whether the sum of squares, computed with this unit, is as good as it gets."""
    return 1e-250 < squares < math.inf or (unit < 1.0 and squares >= math.inf)


def are_finite(squares):
    """Whether all numbers are, of which these are the squares' sum in the unit SMALL."""
    return squares < math.inf


@stand_in
def squares_of(gradients, bound, unit):
    """Stands for the sum of the squares of all elements, each clipped to ±bound and then times the unit."""


def norm_of(gradients, bound=math.inf):
    """The 2-norm of gradients, each element clipped to ±bound, as a number and the power of 2 that it is to be divided
    by, for it may be beyond float64; not finite where an element is not."""
    squares = unit = 0.0
    for unit in UNITS:
        squares = squares_of(gradients, bound, unit)
        if settled(squares, unit):
            break
    return math.sqrt(squares), unit


def clip_factor(norm, most):
    """What ``clip_norm`` scales gradients of this norm by, in the unit of scales."""
    root, unit = norm
    factor = ONE * (most / (root / unit + 1e-6))
    if root < math.inf and not root / unit < math.inf:
        factor = ONE * unit * most / root
    return ONE if factor > ONE else factor  # NaN stays NaN


def squares_of_one(g, bound, unit):
    """Of one flat array, in compiled code."""
    return serial(g, bound, unit, np.empty(((g.size + CHUNK - 1) // CHUNK, LANES)))


norm_of_one = link(norm_of, squares_of=squares_of_one)


@cache
def kernel(dtype, *, in_parallel=False):
    gradient = types.Array(numba.from_dtype(dtype), 1, "C", readonly=True)
    lanes = types.Array(types.float64, 2, "C")
    arguments = (gradient, types.float64, types.float64, lanes) + ((types.int64,) if in_parallel else ())
    name = f"squares_{dtype}_{'parallel' if in_parallel else 'serial'}"
    return compiled(parallel if in_parallel else serial, name, types.float64(*arguments), parallel=in_parallel)


def workspace(size):
    """What ``norm`` needs to be given for arrays of up to this size."""
    return np.empty((-(-size // CHUNK), LANES))


def norm(arrays, lanes, bound=math.inf, threads=None):
    """The 2-norm of flat arrays together, each element clipped to ±bound."""
    return _norm_of_arrays((arrays, lanes, threads), bound)


def all_finite(arrays, lanes, threads=None):
    """Whether no element is NaN or infinite."""
    return are_finite(_squares_of_arrays((arrays, lanes, threads), math.inf, SMALL))


def _squares_of_arrays(given, bound, unit):
    arrays, lanes, threads = given
    squares = 0.0
    for g in arrays:
        squares += _squares(g, bound, unit, lanes[: -(-g.size // CHUNK)], threads)
    return squares


_norm_of_arrays = link(norm_of, squares_of=_squares_of_arrays)


def _squares(g, bound, unit, lanes, threads):
    if g.size < PARALLEL_FROM or threads == 1:
        return kernel(g.dtype)(g, bound, unit, lanes)
    many = kernel(g.dtype, in_parallel=True)
    one = kernel(g.dtype)
    return in_threads(lambda n: many(g, bound, unit, lanes, n), lambda: one(g, bound, unit, lanes), threads)
