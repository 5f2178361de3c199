"""What is known of lanes, and how the problem in one is judged: for loops/many.py."""

import math

from .minimize import (
    BEST,
    BY_GRADIENT,
    BY_STEP,
    BY_VALUE,
    FTOL,
    GTOL,
    NONFINITE,
    RUNNING,
    SIGN,
    START,
    VALUE,
    XTOL,
)

# The slots of lanes; those from X on are those of the problems, too.
LOW, HIGH, SCALE, X, G, OLD, KEPT, STATE = range(8)

# The numbers of a plan: what is evaluated, which problems, how far, what is done at all, and where the kept numbers of
# the first problem are, and how far apart those of others.
(EVALUATE, CONTEXT, STEP, CHANGE, CORRECT, BEGIN, END, CHUNKS, UNTIL, MOST, REASON, FIRST, READS_VALUE, KEEPS_BEST,
 STAGED, CLIPS_NORM, BOUNDED, SCALED, MEASURES_STEPS, TICKS, LAST_TICK,
 FIRST_KEPT, APART, PLANNED) = range(24)  # fmt: skip

# What is counted in lanes: the problem, or -1, its iterations, whether it was evaluated, and whether it is yet to be
# loaded; and of all of them, in ALL, which problem is next, how many lanes have one that was evaluated, how many none,
# how many iterations can be done until a limit, where no more than that is to be looked at, and how many were done that
# are not counted in the lanes yet.
WHO, ITERATIONS, EVALUATED, DUE, ALL = range(5)
NEXT, GOING, EMPTY, LEFT, SINCE = range(5)
VALUES, STEEPEST = 0, 1  # in the lanes' float64 numbers


def verdict(lane, lanes, found, at, numbers, tests, plan):
    """The status of a lane's problem, after an evaluation: as of one problem alone, in loops/minimize.py."""
    i, f = at[WHO, lane], found[VALUES, lane]
    going, sign, status = at[EVALUATED, lane] != 0, numbers[i, SIGN], RUNNING
    later = at[ITERATIONS, lane] > 1
    most = projected(lane, lanes, sign) if plan[BOUNDED] else found[STEEPEST, lane]
    if not most < math.inf or (plan[READS_VALUE] and not abs(f) < math.inf):
        for j in range(lanes.shape[1]):
            lanes[X, j, lane] = lanes[OLD, j, lane]
        if plan[READS_VALUE] and not going:
            numbers[i, VALUE] = f
        return NONFINITE
    if plan[READS_VALUE]:
        if not going:
            numbers[i, START] = f
        if plan[KEEPS_BEST] and (not going or sign * f < sign * numbers[i, BEST]):
            numbers[i, BEST] = f
            for j in range(lanes.shape[1]):
                lanes[KEPT, j, lane] = lanes[X, j, lane]
        if later and abs(f - numbers[i, VALUE]) <= tests[BY_VALUE] * max(1.0, abs(f)):
            status = FTOL
        numbers[i, VALUE] = f
    if most <= tests[BY_GRADIENT]:
        return GTOL
    if status == RUNNING and plan[MEASURES_STEPS] and later and relative_step(lane, lanes) <= tests[BY_STEP]:
        return XTOL
    return plan[REASON] if status == RUNNING and at[ITERATIONS, lane] == plan[MOST] else status


def relative_step(lane, lanes):
    step, size = 0.0, 1.0
    for j in range(lanes.shape[1]):
        step = max(step, abs(lanes[X, j, lane] - lanes[OLD, j, lane]))
        size = max(size, abs(lanes[X, j, lane]))
    return step / size


def projected(lane, lanes, sign):
    """The largest element of x - P(x - g), as in vectors.py."""
    most = 0.0
    for j in range(lanes.shape[1]):
        x, low, high = lanes[X, j, lane], lanes[LOW, j, lane], lanes[HIGH, j, lane]
        to = x - sign * lanes[G, j, lane]
        to = low if to < low else high if to > high else to
        d = abs(x - to)
        if d != d:
            return math.nan
        most = most if most > d else d
    return most
