"""Whole minimisations without Python: evaluate, test, update, until a test stops.

The functions are templates. What they call by the names of the stand-ins is bound in by ``minimize``: the same text
runs compiled, for objectives that are Numba functions, and interpreted, for those that are not. A loop returns after
``limit`` iterations at most and keeps all it knows in arrays, so that Python can look after interrupts, time limits
and callbacks between two calls, at the price of one call.
"""

import math

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from ..overloads import compiled_form
from ..stand_ins import UNBOUND, stand_in
from ..subnormals import control_word, flush_off, flush_on
from ..tuples import at

RUNNING, GTOL, MAXITER, FTOL, NONFINITE, XTOL, RAISED, MAXFUN, MAXTIME, CALLBACK = -1, 0, 1, 2, 3, 4, 5, 6, 7, 99
NIT, STATUS, STARTED = 0, 1, 2  # in counts
VALUE, BEST, SIGN = 0, 1, 2  # in numbers: the value at x, the best so far, and -1 to maximise
BY_GRADIENT, BY_VALUE, BY_STEP = 0, 1, 2  # in tests: gtol, ftol, xtol, or -1 where a test is off

# What is compiled in or left out.
READS_VALUE = UNBOUND  # whether anything reads the objective's value
BOUNDED = UNBOUND  # whether there are bounds
KEEPS_BEST = UNBOUND


@stand_in
def evaluate(fun, jac, x, g, args, low, high):
    """Stands for the objective: writes the gradient, returns the value (objective.py)."""


@stand_in
def prepare(table, like, nit, first, x):
    """Stands for the coefficients of step ``nit + 1``."""


@stand_in
def advance(x, g, state, c):
    """Stands for the rule's update of x and state."""


@stand_in
def after_gradient(table, like, nit, first, x, g, c):
    """Stands for what the gradient's norm makes of the coefficients."""


def loop(fun, jac, args, x, g, old, best, state, table, like, low, high, tests, numbers, counts, limit):
    """Go on from where ``counts`` and ``numbers`` stand, until a test stops or ``limit`` iterations are done.

    An iteration is an update and an evaluation after it; the very first call evaluates before. So value and gradient
    at x are known whenever the loop returns, unless the status is NONFINITE: then x is the iterate before.
    ``table`` and ``like`` hold what coefficients are made from. ``limit`` is (iterations of this call, iterations of
    all calls, the status when those are done, the iteration of the table's first row).
    """
    control = flush_on()
    nit, going, status = counts[NIT], counts[STARTED] != 0, RUNNING
    value, sign = numbers[VALUE], numbers[SIGN]
    until, most, reason, first = nit + limit[0], limit[1], limit[2], limit[3]
    c = prepare(table, like, nit, first, x)
    step = math.inf
    while True:
        if going:
            c = after_gradient(table, like, nit, first, x, g, c)
            copy(x, old)
            advance(x, g, state, c)
            if BOUNDED:
                project(x, low, high)
            if tests[BY_STEP] >= 0.0:
                step = moved(x, old) / max(1.0, largest(x))
            nit += 1
            c = prepare(table, like, nit, first, x)
        f = evaluate(fun, jac, x, g, args, low, high)
        steepest = largest_projected(x, g, low, high, sign) if BOUNDED else largest(g)
        if not steepest < math.inf or (READS_VALUE and not abs(f) < math.inf):
            status = NONFINITE
            copy(old, x)
            break
        if READS_VALUE:
            if KEEPS_BEST and (not going or sign * f < sign * numbers[BEST]):
                numbers[BEST] = f
                copy(x, best)
            if going and abs(f - value) <= tests[BY_VALUE] * max(1.0, abs(f)):
                status = FTOL
            value = f
        if steepest <= tests[BY_GRADIENT]:
            status = GTOL
        elif status == RUNNING and step <= tests[BY_STEP]:
            status = XTOL
        elif status == RUNNING and nit == most:
            status = reason
        going = True
        if status != RUNNING or nit == until:
            break
    numbers[VALUE] = value
    counts[NIT], counts[STARTED], counts[STATUS] = nit, 1, status
    flush_off(control)


HAND = 16  # problems dealt out at a time: neighbours share cache lines


def loop_many(
    fun, jac, args, shared, x, g, old, best, state, table, like, low, high, tests, numbers, counts, limit, part
):
    """The loop for each problem that still runs, of those in ``part``: (start, stop, chunks), dealt out like cards."""
    start, stop, chunks = part
    for k in prange(chunks):
        for hand in range(start + k * HAND, stop, chunks * HAND):
            for i in range(hand, min(hand + HAND, stop)):
                if counts[i, STATUS] == RUNNING:
                    guarded(
                        fun, jac, at(args, i) + shared, x[i], g[i], old[i], best[i], at(state, i), table, like,
                        low, high, tests, numbers[i], counts[i], limit,
                    )  # fmt: skip


def guarded(fun, jac, args, x, g, old, best, state, table, like, low, high, tests, numbers, counts, limit):
    """The loop, in which an exception becomes a status: in a thread it would be lost."""
    control = control_word()
    try:
        one(fun, jac, args, x, g, old, best, state, table, like, low, high, tests, numbers, counts, limit)
    except Exception:
        counts[STATUS] = RAISED
        flush_off(control)


@stand_in
def one(*args):
    """Stands for ``loop``."""


def evaluate_many(fun, jac, args, shared, x, g, low, high, numbers, counts, part):
    """Value and gradient of each problem that has not raised."""
    start, stop, chunks = part
    for k in prange(chunks):
        for i in range(start + k, stop, chunks):
            if counts[i, STATUS] != RAISED:
                guarded_evaluation(fun, jac, at(args, i) + shared, x[i], g[i], low, high, numbers[i], counts[i])


def guarded_evaluation(fun, jac, args, x, g, low, high, numbers, counts):
    control = flush_on()
    try:
        numbers[VALUE] = evaluate(fun, jac, x, g, args, low, high)
    except Exception:
        counts[STATUS] = RAISED
    flush_off(control)


# --- small things on vectors -----------------------------------------------------------------------------------------


def copy(a, b):
    for i in range(a.size):
        b[i] = a[i]


def project(x, low, high):
    for i in range(x.size):
        x[i] = low[i] if x[i] < low[i] else high[i] if x[i] > high[i] else x[i]


def moved(x, old):
    """The largest change of an element."""
    most = 0.0
    for i in range(x.size):
        most = max(most, abs(x[i] - old[i]))
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


@compiled_form(largest)
def _largest(a):
    whole = types.int64 if a.dtype == types.float64 else types.int32
    integer = np.int64 if a.dtype == types.float64 else np.int32
    mask = integer(2 ** (whole.bitwidth - 1) - 1)

    def impl(a):
        if a.size < 32:
            most = abs(a[0]) if a.size else a.dtype.type(0)
            for i in range(1, a.size):
                b = abs(a[i])
                if not b <= most:  # also where b is NaN; and a NaN stays, as nothing is <= it
                    most = b if most == most else most
            return np.float64(most)
        bits = integer(0)  # magnitudes are ordered as their bits are, and a maximum of integers vectorises
        for i in range(a.size):
            b = _to_bits(a[i]) & mask
            bits = b if b > bits else bits
        return np.float64(_from_bits(bits))

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


def take(table, k, like):
    """Row k of a table, as a tuple of the length of ``like``."""
    return tuple(table[k, : len(like)])


@compiled_form(take)
def _take(table, k, like):
    if not len(like):
        return lambda table, k, like: ()
    return lambda table, k, like: (table[k, table.shape[1] - len(like)], *take(table, k, like[1:]))


def store(table, k, numbers):
    """Row k of a table from a tuple of its length."""
    table[k] = numbers


@compiled_form(store)
def _store(table, k, numbers):
    if not len(numbers):
        return lambda table, k, numbers: None

    def last_and_rest(table, k, numbers):
        table[k, len(numbers) - 1] = numbers[len(numbers) - 1]
        store(table, k, numbers[:-1])

    return last_and_rest
