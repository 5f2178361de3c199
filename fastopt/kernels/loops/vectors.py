"""Small things on vectors, for the loops of minimize.py."""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from ..bind import OPTIONS
from ..overloads import compiled_form


def copy(a, b):
    for i in range(a.size):
        b[i] = a[i]


def project(x, low, high):
    for i in range(x.size):
        x[i] = low[i] if x[i] < low[i] else high[i] if x[i] > high[i] else x[i]


def to_scale(x, g, scale):
    """x / scale, and the gradient to it."""
    for i in range(x.size):
        x[i] /= scale[i]
        g[i] *= scale[i]


def scaled_back(x, old, scale):
    """x again, after a step in x / scale from ``old``; what did not move is what it was, to the bit."""
    for i in range(x.size):
        x[i] = old[i] + scale[i] * (x[i] - old[i] / scale[i])


def moved(x, old):
    """The largest change of an element."""
    most = 0.0
    for i in range(x.size):
        d = abs(x[i] - old[i])
        most = d if d > most else most  # max would be a function to compile
    return most


def largest_projected(x, g, low, high, sign):
    """The largest element of x - P(x - g), P the projection on the bounds: 0 at a minimum; NaN where g has one."""
    most = 0.0
    for i in range(x.size):
        to = x[i] - sign * g[i]
        to = low[i] if to < low[i] else high[i] if to > high[i] else to
        d = abs(x[i] - to)
        most = most if most > d else d
        if d != d:
            return math.nan
    return most


def largest(a):
    """The largest magnitude; NaN where there is one."""
    return float(np.abs(a).max(initial=0.0))


def largest_one_by_one(a):
    """The same, for few elements and for one thread of a GPU."""
    most = abs(a[0]) if a.size else a.dtype.type(0)
    for i in range(1, a.size):
        b = abs(a[i])
        if not b <= most:  # also where b is NaN; and a NaN stays, as nothing is <= it
            most = b if most == most else most
    return most


@compiled_form(largest)
def _largest(a):
    one_by_one = njit(inline="always", **OPTIONS)(largest_one_by_one)  # a call would cost 4 ns
    whole = types.int64 if a.dtype == types.float64 else types.int32
    integer = np.int64 if a.dtype == types.float64 else np.int32
    mask = integer(2 ** (whole.bitwidth - 1) - 1)

    def impl(a):
        if a.size < 32:
            return np.float64(one_by_one(a))
        bits = integer(0)  # magnitudes are ordered as their bits are, and a maximum of integers vectorises
        for i in range(a.size):
            b = _to_bits(a[i]) & mask
            bits = b if b > bits else bits
        return np.float64(_from_bits(integer(bits)))  # Numba has widened int32 on the way

    return impl


@intrinsic
def _to_bits(typingctx, number):
    to = types.int64 if number == types.float64 else types.int32
    llvm = ir.IntType(to.bitwidth)
    return to(number), lambda context, builder, signature, args: builder.bitcast(args[0], llvm)


@intrinsic
def _from_bits(typingctx, bits):
    to = types.float64 if bits == types.int64 else types.float32
    llvm = ir.DoubleType() if bits == types.int64 else ir.FloatType()
    return to(bits), lambda context, builder, signature, args: builder.bitcast(args[0], llvm)
