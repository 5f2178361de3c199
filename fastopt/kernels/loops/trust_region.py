"""Levenberg–Marquardt by a trust region, of one problem in each lane: what MINPACK's ``lmder`` does, with J'J for J.

The text is as of one problem. What differs between lanes is chosen, never branched on; so a lane's numbers are its own.
The step p solves (J'J + λD²)p = -J'r with the λ >= 0 that keeps its length ‖Dp‖ within a radius, where D² is the
largest that the diagonal of J'J has been; the radius follows how well the gain was foreseen.

Source: J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical Analysis, 1978.
"""

import math

import numpy as np

from ...linking import UNBOUND, stand_in
from ..normal_equations import FALL, INNER, SOUND, SQUARE
from ..normal_equations import KNOWN as KNOWN_OF_STEPS
from ..tuples import address
from .minimize import FTOL, GTOL, NONFINITE, RUNNING, XTOL

# What is known of lanes: vectors, a number for each variable; matrices, whose last row and column are r's; numbers.
X, TRIAL, LOW, HIGH, SCALE, STEP, WORK, VECTORS = range(8)
GRAM, NEW, FREE, MATRICES = range(4)
COST, RADIUS, DAMPING, LENGTH, SLOPE, FORESEEN, START, EARLY, BUSY, SHARE, STATE, TRY, KNOWN = range(13)
NUMBERS = KNOWN + KNOWN_OF_STEPS  # which begin there
# START is AGAIN or FRESH where the trial is no step, but where the problem goes on, or begins, and else 0; EARLY is 1
# until the first step was tried, BUSY 1 where the lane has a problem; SHARE is that of numbers/residuals.py.
AGAIN, FRESH = 1.0, 2.0
FTOL_AT, XTOL_AT, GTOL_AT, NOISE_AT, F_SCALE, TESTS = range(6)  # in tests

FURTHEST = 100.0  # lengths of x that the first step may take
NEAR = 0.1  # relative to the radius
MOST_DAMPINGS = 10

SMALLEST = UNBOUND  # positive number


@stand_in
def some(mask):
    """Stands for whether a truth holds in any lane (numbers/truths.py)."""


@stand_in
def madd(a, b, c):
    """Stands for a·b + c, rounded once (numbers/truths.py)."""


@stand_in
def call(address, arguments):
    """Stands for a call by address."""


def number(value, like):
    """In each lane."""
    return np.where(True, value, like)


# --- after an evaluation ---------------------------------------------------------------------------------------------


def judge(vectors, matrices, numbers, tests, bounded):
    """Take each lane's trial or leave it, and set the radius by what it gained; the status of each lane in STATE."""
    gram, new = matrices[GRAM], matrices[NEW]
    d = vectors.shape[1]
    start, cost = numbers[START] > 0.0, numbers[COST]
    size = new[d, d]
    for i in range(d):
        size = size + new[i, i]
    finite = size < math.inf
    gain = np.where(finite, cost - new[d, d], -math.inf)
    foreseen = numbers[FORESEEN]
    ratio = np.where(foreseen > 0.0, gain / foreseen, -1.0)
    taken = finite & (start | (ratio >= 1e-4))
    grows = (numbers[DAMPING] > 0.0) & (ratio >= 0.75)  # the radius: it, and not a minimum, kept the step short
    before = squared_length(vectors[SCALE], vectors[X])
    resize(numbers, start, gain, ratio)
    take(vectors, gram, new, taken, numbers[START] > AGAIN)
    numbers[COST] = np.where(taken, new[d, d], cost)
    length = squared_length(vectors[SCALE], vectors[X])
    first = FURTHEST * np.sqrt(np.where(length > 0.0, length, 2.0 * numbers[COST]))
    numbers[RADIUS] = np.where(numbers[START] > AGAIN, first, numbers[RADIUS])
    numbers[EARLY] = np.where(start, numbers[EARLY], 0.0)
    small = (abs(gain) <= tests[FTOL_AT] * cost) & (ratio <= 2.0) & ~grows
    small = (small | (abs(gain) <= tests[NOISE_AT] * cost)) & (foreseen <= tests[FTOL_AT] * cost)
    tiny = (numbers[RADIUS] * numbers[RADIUS] <= tests[XTOL_AT] * tests[XTOL_AT] * before) & ~grows
    status = np.where(start, RUNNING, np.where(small, FTOL, np.where(tiny, XTOL, number(RUNNING, size))))
    status = np.where(is_flat(vectors, gram, numbers[COST], tests[GTOL_AT], bounded), GTOL, status)
    numbers[STATE] = np.where(start & ~finite, NONFINITE, status)


def resize(numbers, start, gain, ratio):
    """The radius, and the λ to begin with."""
    radius, damping, slope = numbers[RADIUS], numbers[DAMPING], numbers[SLOPE]
    lowest = 0.5 * slope / (slope + gain)  # where a parabola is; uphill, where bounds may have turned the step, none is
    less = np.where((gain >= 0.0) | (slope >= 0.0), 0.5, np.maximum(lowest, 0.1))
    poor, good = ratio <= 0.25, (ratio >= 0.75) | (damping <= 0.0)
    smaller, larger = less * np.minimum(radius, 10.0 * numbers[LENGTH]), 2.0 * numbers[LENGTH]
    resized = np.where(poor, smaller, np.where(good, larger, radius))
    damped = np.where(poor, damping / less, np.where(good, 0.5 * damping, damping))
    numbers[RADIUS] = np.where(start, radius, resized)
    numbers[DAMPING] = np.where(start, damping, damped)


def take(vectors, gram, new, taken, fresh):
    d = vectors.shape[1]
    for i in range(d):
        vectors[X, i] = np.where(taken, vectors[TRIAL, i], vectors[X, i])
        for j in range(i, d + 1):
            gram[i, j] = np.where(taken, new[i, j], gram[i, j])
        vectors[SCALE, i] = np.maximum(np.where(fresh, 0.0, vectors[SCALE, i]), gram[i, i])
    gram[d, 0] = np.where(taken, new[d, 0], gram[d, 0])


def is_flat(vectors, gram, cost, gtol, bounded):
    """Whether the cosine of the angle between r and each column of J is small; of a variable that is held it is."""
    d = vectors.shape[1]
    most = (gtol * (2.0 * cost)) * gtol
    flat = cost >= 0.0
    for i in range(d):
        small = ~(gram[i, d] * (gram[i, d] / gram[i, i]) > most)  # 0/0 where the variable has no effect
        flat = flat & ((small | is_held(vectors, gram, i)) if bounded else small)
    return flat


def is_held(vectors, gram, i):
    """Whether the variable is at a bound and would go beyond."""
    x, slope = vectors[X, i], gram[i, vectors.shape[1]]
    return ((x <= vectors[LOW, i]) & (slope > 0.0)) | ((x >= vectors[HIGH, i]) & (slope < 0.0))


def squared_length(scale, v):
    total = number(0.0, v[0])
    for i in range(v.size):
        total = madd(scale[i] * v[i], v[i], total)
    return total


# --- the next trial --------------------------------------------------------------------------------------------------


def propose(vectors, matrices, numbers, solver, bounded):
    """Each lane's next trial; ``solver`` is the address of the kernel of normal_equations.py."""
    d = vectors.shape[1]
    system = matrices[FREE] if bounded else matrices[GRAM]
    if bounded:
        hold(vectors, matrices[GRAM], system)
    numbers[TRY] = number(0.0, numbers[TRY])
    solve(solver, system, vectors, STEP, numbers)
    length, radius = np.sqrt(numbers[KNOWN + SQUARE]), numbers[RADIUS]
    far = ~(length - radius <= NEAR * radius) & (numbers[BUSY] > 0.0)  # NaN where p overflows
    numbers[LENGTH], numbers[SLOPE] = length, numbers[KNOWN + INNER]
    numbers[DAMPING] = np.where(far, numbers[DAMPING], 0.0)
    if some(far):
        damp(solver, system, vectors, numbers, far)
    for i in range(d):
        vectors[TRIAL, i] = vectors[X, i] + vectors[STEP, i]
    length = numbers[LENGTH]
    numbers[FORESEEN] = 0.5 * (numbers[DAMPING] * length * length - numbers[SLOPE])
    if bounded:
        clip(vectors, matrices[GRAM], numbers)
    numbers[RADIUS] = np.where(numbers[EARLY] > 0.0, np.minimum(radius, numbers[LENGTH]), radius)
    numbers[START] = number(0.0, length)


def solve(solver, system, vectors, slot, numbers):
    """The step for the λ in TRY."""
    scale, step = address(vectors[SCALE]), address(vectors[slot])
    call(solver, (address(system), scale, address(numbers[TRY:]), step, address(numbers[KNOWN:])))


def damp(solver, system, vectors, numbers, far):
    """The λ for which the step is about as long as the radius, by Newton's method between bounds, and that step."""
    d, radius, length = vectors.shape[1], numbers[RADIUS], numbers[LENGTH]
    over = length - radius
    lower = newton(over, radius, length, numbers[KNOWN + FALL])
    lower = np.where((numbers[KNOWN + SOUND] > 0.0) & (lower < math.inf), lower, 0.0)
    steepest = number(0.0, radius)
    for i in range(d):
        steepest = steepest + system[i, d] * (system[i, d] / np.maximum(vectors[SCALE, i], SMALLEST))
    steepest = np.sqrt(steepest)
    upper = steepest / radius
    damping = np.minimum(np.maximum(numbers[DAMPING], lower), upper)
    damping = np.where(damping > 0.0, damping, steepest / length)
    for _ in range(MOST_DAMPINGS):
        damping = np.where(damping > 0.0, damping, np.maximum(0.001 * upper, SMALLEST))
        numbers[TRY] = damping
        solve(solver, system, vectors, WORK, numbers)
        length = keep(vectors, numbers, far)
        before, over = over, length - radius
        near = (abs(over) <= NEAR * radius) | ((lower <= 0.0) & (over <= before) & (before < 0.0))
        far = far & ~near
        if not some(far):
            break
        lower = np.where(over > 0.0, np.maximum(lower, damping), lower)
        upper = np.where(over < 0.0, np.minimum(upper, damping), upper)
        damping = np.maximum(lower, damping + newton(over, radius, length, numbers[KNOWN + FALL]))


def keep(vectors, numbers, far):
    """The last step, where the one before was not good enough; its length."""
    length = np.sqrt(numbers[KNOWN + SQUARE])
    for i in range(vectors.shape[1]):
        vectors[STEP, i] = np.where(far, vectors[WORK, i], vectors[STEP, i])
    numbers[LENGTH] = np.where(far, length, numbers[LENGTH])
    numbers[SLOPE] = np.where(far, numbers[KNOWN + INNER], numbers[SLOPE])
    numbers[DAMPING] = np.where(far, numbers[TRY], numbers[DAMPING])
    return length


def newton(over, radius, length, fall):
    """What to add to λ, for which ‖Dp‖ is too long by ``over``."""
    return over / radius * (length * length / fall)


def hold(vectors, gram, system):
    """J'J and J'r without the variables that are held."""
    d = vectors.shape[1]
    for i in range(d):
        vectors[WORK, i] = np.where(is_held(vectors, gram, i), 0.0, number(1.0, gram[i, i]))
    for i in range(d):
        free = vectors[WORK, i]
        for j in range(i, d):
            system[i, j] = np.where((free > 0.0) & (vectors[WORK, j] > 0.0), gram[i, j], 0.0)
        system[i, i] = np.where(free > 0.0, gram[i, i], vectors[SCALE, i])
        system[i, d] = np.where(free > 0.0, gram[i, d], 0.0)


def clip(vectors, gram, numbers):
    """The trial within the bounds, and what is foreseen of the step that is left."""
    d = vectors.shape[1]
    step = vectors[STEP]
    for i in range(d):
        vectors[TRIAL, i] = np.minimum(np.maximum(vectors[TRIAL, i], vectors[LOW, i]), vectors[HIGH, i])
        step[i] = vectors[TRIAL, i] - vectors[X, i]
    slope = number(0.0, step[0])
    bend = slope
    for i in range(d):
        row = 0.5 * gram[i, i] * step[i]
        for j in range(i + 1, d):
            row = row + gram[i, j] * step[j]
        slope = slope + gram[i, d] * step[i]
        bend = bend + row * step[i]
    numbers[LENGTH] = np.sqrt(squared_length(vectors[SCALE], step))
    numbers[SLOPE], numbers[FORESEEN] = slope, -slope - bend
