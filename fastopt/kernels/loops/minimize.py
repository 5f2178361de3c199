"""Whole minimisations without Python: evaluate, test, update, until a test stops.

The functions are templates. What they call by the names of the stand-ins is bound in by ``minimize``: the same text
runs compiled, for objectives that are Numba functions, and interpreted, for those that are not. A loop returns after
``limit`` iterations at most, or when time is over, and keeps all it knows in arrays, so that Python can look after
interrupts, time limits and callbacks between two calls, at the price of one call.
"""

import math

from ...linking import UNBOUND, stand_in
from ..slices import is_over
from ..subnormals import flush_off, flush_on
from .vectors import copy, largest, largest_projected, moved, project, scaled_back, to_scale

# What the loops are handed, as plain tuples: a named tuple would cost each call another microsecond.
# - objective (fun, jac, args, low, high, scale): what is minimised, the bounds and the scale of x, empty arrays where
#   there are none; of many, arrays with an axis before
# - problem (x, g, old, best, state, numbers, counts): all that is known of a minimisation on its way: the iterate, its
#   gradient, the iterate before, the best one (or x itself), the rule's state; of many, arrays with an axis before
# - course (table, like, tests, limit): what coefficients are made of, a row for each step or one for all; the first
#   row; limit is (iterations from the table's first one on, of all calls, the status when those are done, the table's
#   first iteration) and what slices.py ends it with

RUNNING, GTOL, MAXITER, FTOL, NONFINITE, XTOL, RAISED, MAXFUN, MAXTIME, CALLBACK = -1, 0, 1, 2, 3, 4, 5, 6, 7, 99
EVALUATED = -2  # in the marks of evaluations alone
NIT, STATUS, STARTED = 0, 1, 2  # in counts
VALUE, BEST, SIGN, START = 0, 1, 2, 3  # in numbers: the value at x, the best so far, -1 to maximise, the first value
KEPT = 4  # and from here on what the rule keeps from step to step
BY_GRADIENT, BY_VALUE, BY_STEP = 0, 1, 2  # in tests: gtol, ftol, xtol, or -1 where a test is off

# What is compiled in or left out.
READS_VALUE = UNBOUND  # whether anything reads the objective's value
BOUNDED = UNBOUND  # whether there are bounds
SCALED = UNBOUND  # whether steps are taken in x / scale
KEEPS_BEST = UNBOUND


@stand_in
def evaluate(fun, jac, x, g, args, low, high):
    """Stands for the objective: writes the gradient, returns the value (objective.py)."""


@stand_in
def prepare(table, like, nit, first, x):
    """Stands for the coefficients of step ``nit + 1``."""


@stand_in
def advance(x, g, state, c, numbers):
    """Stands for the rule's update of x and state, and of what it keeps."""


@stand_in
def after_gradient(table, like, nit, first, x, g, c):
    """Stands for what the gradient's norm makes of the coefficients."""


def loop(objective, problem, course):
    """Go on with a problem from where it stands, until a test stops, ``limit`` iterations are done or time is over.

    An iteration is an update and an evaluation after it; the very first call evaluates before. What the first one
    changed stops nothing, for there are rules that only look around in it. So value and gradient at x are known
    whenever the loop returns, unless the status is NONFINITE: then x is the iterate before, if there is one.
    """
    fun, jac, args, low, high, scale = objective
    x, g, old, best, state, numbers, counts = problem
    table, like, tests, limit = course
    control = flush_on()
    nit, going, status = counts[NIT], counts[STARTED] != 0, RUNNING
    value, sign = numbers[VALUE], numbers[SIGN]
    until, most, reason, first = limit[3] + limit[0], limit[1], limit[2], limit[3]
    c = prepare(table, like, nit, first, x)
    step = math.inf
    while True:
        if going:
            copy(x, old)
            if SCALED:
                to_scale(x, g, scale)
            c = after_gradient(table, like, nit, first, x, g, c)
            advance(x, g, state, c, numbers)
            if SCALED:
                scaled_back(x, old, scale)
            if BOUNDED:
                project(x, low, high)
            if tests[BY_STEP] >= 0.0:
                size = largest(x)
                step = moved(x, old) / (size if size > 1.0 else 1.0)  # max would be a function to compile
            nit += 1
            counts[NIT] = nit  # for where the evaluation raises
            c = prepare(table, like, nit, first, x)
        f = evaluate(fun, jac, x, g, args, low, high)
        steepest = largest_projected(x, g, low, high, sign) if BOUNDED else largest(g)
        if not steepest < math.inf or (READS_VALUE and not abs(f) < math.inf):
            status = NONFINITE
            copy(old, x)
            if READS_VALUE and not going:
                value = f  # at x, as nowhere else where this happens
            break
        if READS_VALUE:
            if not going:
                numbers[START] = f
            if KEEPS_BEST and (not going or sign * f < sign * numbers[BEST]):
                numbers[BEST] = f
                copy(x, best)
            if nit > 1 and abs(f - value) <= tests[BY_VALUE] * (abs(f) if abs(f) > 1.0 else 1.0):
                status = FTOL
            value = f
        if steepest <= tests[BY_GRADIENT]:
            status = GTOL
        elif status == RUNNING and nit > 1 and step <= tests[BY_STEP]:
            status = XTOL
        elif status == RUNNING and nit == most:
            status = reason
        going = True
        if status != RUNNING or nit == until or is_over(limit):
            break
    numbers[VALUE] = value
    counts[NIT], counts[STARTED], counts[STATUS] = nit, 1, status
    flush_off(control)
