"""Many problems of least squares on a few lanes: each lane has a problem, and takes the next one when that has ended.

All lanes are evaluated by one call of the compiled function at an address, then each judges its trial and makes the
next: so this is compiled once for a dtype and a number of lanes, whatever is fitted. Of a problem that is interrupted
x, its scale, the radius and λ are kept; it goes on with an evaluation at x, which gives what was known.
"""

import math

from ...linking import UNBOUND, stand_in
from ..addresses import fails
from ..slices import is_over
from ..subnormals import flush_off, flush_on
from .minimize import MAXITER, NONFINITE, RAISED, RUNNING, XTOL
from .trust_region import (
    AGAIN,
    BUSY,
    COST,
    DAMPING,
    EARLY,
    F_SCALE,
    FRESH,
    GRAM,
    HIGH,
    LOW,
    NEW,
    RADIUS,
    SCALE,
    SHARE,
    START,
    STATE,
    TRIAL,
    X,
)

# The numbers of a plan, of a lane (its problem, or -1; how many steps that has tried; how it ended, where J'J is yet to
# be evaluated as SciPy has it) and of a problem.
EVALUATE, CONTEXT, SOLVE, BEGIN, END, CHUNKS, MOST, BOUNDED, ABSOLUTE, ROBUST, TICKS, LAST_TICK, PLANNED = range(13)
WHO, TRIED, ENDED = range(3)
NIT, STATUS, RANK = range(3)  # in counts
KEPT_COST, KEPT_RADIUS, KEPT_DAMPING, POINTS = range(4)  # in kept; of residuals, -1 where they are to be counted

STUCK = 10  # status: each step went up, where the slope says down
STEEP = 0.1  # cosine of the angle between r and a column of J
LOST = 100.0  # roundings of what is fitted: residuals that are no more say nothing

HOT = ("evaluated",)
COLD = ()
HAND = 16  # problems dealt out at a time: neighbours share cache lines

LANES = UNBOUND
ROUNDING = UNBOUND  # of a number of the dtype


@stand_in
def read(job, base):
    """Stands for the reader of a job (described.py)."""


@stand_in
def as_lanes(array, count):
    """Stands for the view of floats as lanes (numbers/views.py)."""


@stand_in
def judge(vectors, matrices, numbers, tests, bounded):
    """Stands for that of trust_region.py."""


@stand_in
def propose(vectors, matrices, numbers, solver, bounded):
    """Stands for that of trust_region.py."""


@stand_in
def covariance(normal, points, cost, absolute, least, work, cov, stderr):
    """Stands for that of covariance.py."""


def work(job):
    """Go on with the problems of a plan, until each has ended or time is over."""
    (x, scale, kept, normal, counts, cov, stderr, limits, rows,
     tests, plan, vectors, matrices, numbers, row, at, square) = read(job, 0)  # fmt: skip
    problems = x, scale, kept, counts, limits, rows
    results = normal, cov, stderr, square
    lanes = as_lanes(vectors, LANES), as_lanes(matrices, LANES), as_lanes(numbers, LANES)
    control = flush_on()
    for lane in range(LANES):
        at[WHO, lane] = -1
        numbers[BUSY, lane] = 0.0
    following = plan[BEGIN]
    busy = 0
    while True:
        following = refill(following, plan, problems, vectors, numbers, row, at)
        busy = 0
        for lane in range(LANES):
            busy += at[WHO, lane] >= 0
        if busy == 0:
            break
        raised = not evaluated(vectors, matrices, numbers, row, at, tests, plan)
        judge(lanes[0], lanes[1], lanes[2], tests, plan[BOUNDED] != 0)
        over = is_over((plan[TICKS], plan[LAST_TICK]))
        if over:
            following = plan[END]
        look(raised, over, problems, results, vectors, matrices, numbers, at, plan)
        propose(lanes[0], lanes[1], lanes[2], plan[SOLVE], plan[BOUNDED] != 0)
    flush_off(control)


def evaluated(vectors, matrices, numbers, row, at, tests, plan):
    """The sums of all lanes at their trials; False if the function raised. One lane tells which problem it has."""
    d = vectors.shape[1]
    which = at[WHO, 0] if LANES == 1 else row.ctypes.data
    trial = vectors.ctypes.data + TRIAL * d * LANES * vectors.itemsize
    new = matrices.ctypes.data + NEW * (d + 1) * (d + 1) * LANES * matrices.itemsize
    share = numbers.ctypes.data + SHARE * LANES * numbers.itemsize
    failed = fails(plan[EVALUATE], (plan[CONTEXT], which, trial, new, share, tests[F_SCALE]))
    if failed:
        flush_on()  # whatever it left
    return not failed


def look(raised, over, problems, results, vectors, matrices, numbers, at, plan):
    """Whose problem has ended, or all if time is over, leaves; but for a robust loss J'J is evaluated once more."""
    for lane in range(LANES):
        i = at[WHO, lane]
        if i >= 0:
            status = RAISED if raised else int(numbers[STATE, lane])
            at[TRIED, lane] += numbers[START, lane] == 0.0
            if status == RUNNING and at[TRIED, lane] >= plan[MOST]:
                status = MAXITER
            if status == XTOL and is_stuck(lane, vectors, matrices, numbers, plan):
                status = STUCK
            ended = status not in (RUNNING, RAISED, NONFINITE)
            if at[ENDED, lane] != RUNNING:
                status, ended = at[ENDED, lane], True
            elif ended and plan[ROBUST]:
                at[ENDED, lane] = status
                continue
            if status != RUNNING or (over and numbers[START, lane] != AGAIN):  # an evaluation alone is no progress
                leave(lane, status, problems, vectors, numbers, at)
            if ended:
                conclude(lane, i, problems, results, matrices, plan)


def is_stuck(lane, vectors, matrices, numbers, plan):
    """Whether the radius is small only because each step within it went wrong: the function is not what J says."""
    if not numbers[DAMPING, lane] > 0.0:
        return False
    d, squares, size, steep = vectors.shape[1], 2.0 * numbers[COST, lane], 0.0, False
    for j in range(d):
        x, slope = 1.0 * vectors[X, j, lane], 1.0 * matrices[GRAM, j, d, lane]  # float64, which squares do not leave
        square = 1.0 * matrices[GRAM, j, j, lane]
        size += square * x * x
        held = False
        if plan[BOUNDED]:
            held = (x <= vectors[LOW, j, lane] and slope > 0.0) or (x >= vectors[HIGH, j, lane] and slope < 0.0)
        steep = steep or (not held and slope * slope > STEEP * STEEP * squares * square)
    return steep and squares > LOST * ROUNDING * LOST * ROUNDING * size


def refill(following, plan, problems, vectors, numbers, row, at):
    """Give lanes without a problem the next ones that run; those of which one has ended evaluate its J'J once more."""
    counts = problems[3]
    i = following
    for lane in range(LANES):
        if at[WHO, lane] >= 0 and at[ENDED, lane] != RUNNING:
            numbers[START, lane], numbers[SHARE, lane] = AGAIN, 0.0
            for j in range(vectors.shape[1]):
                vectors[TRIAL, j, lane] = vectors[X, j, lane]
        if at[WHO, lane] < 0 and i < plan[END]:
            while i < plan[END] and counts[i, STATUS] != RUNNING:
                i = after(i, plan)
            if i < plan[END]:
                load(lane, i, problems, vectors, numbers, row, at)
                i = after(i, plan)
    return i


def after(i, plan):
    """The problem after this one in the same hands."""
    i += 1
    return i if (i - plan[BEGIN]) % HAND else i + (plan[CHUNKS] - 1) * HAND


def load(lane, i, problems, vectors, numbers, row, at):
    x, scale, kept, counts, limits, rows = problems
    at[WHO, lane], at[TRIED, lane], at[ENDED, lane] = i, counts[i, NIT], RUNNING
    numbers[SHARE, lane] = 1.0
    for j in range(x.shape[1]):
        vectors[X, j, lane] = x[i, j]
        vectors[TRIAL, j, lane] = x[i, j]
        vectors[SCALE, j, lane] = scale[i, j]
    for side in range(limits.shape[0]):
        for j in range(limits.shape[2]):
            vectors[LOW + side, j, lane] = limits[side, i, j]
    numbers[RADIUS, lane], numbers[DAMPING, lane] = kept[i, KEPT_RADIUS], kept[i, KEPT_DAMPING]
    numbers[START, lane] = FRESH if kept[i, KEPT_RADIUS] < 0.0 else AGAIN
    numbers[EARLY, lane], numbers[BUSY, lane] = counts[i, NIT] == 0, 1.0
    bring(row, lane, rows, i)


def bring(row, lane, rows, i):
    for n in range(rows.shape[1]):
        row[n, lane] = rows[i, n]


def leave(lane, status, problems, vectors, numbers, at):
    """Write down what is known of a lane's problem; the lane has none now."""
    x, scale, kept, counts, _, _ = problems
    i = at[WHO, lane]
    counts[i, NIT], counts[i, STATUS] = at[TRIED, lane], status
    at[WHO, lane], numbers[BUSY, lane] = -1, 0.0
    if status in (RAISED, NONFINITE):
        return
    kept[i, KEPT_COST], kept[i, KEPT_RADIUS] = numbers[COST, lane], numbers[RADIUS, lane]
    kept[i, KEPT_DAMPING] = numbers[DAMPING, lane]
    for j in range(x.shape[1]):
        x[i, j], scale[i, j] = vectors[X, j, lane], vectors[SCALE, j, lane]


def conclude(lane, i, problems, results, matrices, plan):
    """J'J of a problem that has ended, and the covariance."""
    normal, cov, stderr, square = results
    kept, counts, d, n = problems[2], problems[3], stderr.shape[1], 0
    if kept[i, POINTS] < 0.0:
        kept[i, POINTS] = matrices[GRAM, d, 0, lane]
    for j in range(d):
        for m in range(j, d):
            normal[i, n] = matrices[GRAM, j, m, lane]
            n += 1
    points = kept[i, POINTS]
    least = ROUNDING * d * (10.0 + math.sqrt(max(points, 0.0)))
    counts[i, RANK] = covariance(
        normal[i], points, kept[i, KEPT_COST], plan[ABSOLUTE] != 0, least, square, cov[i], stderr[i]
    )
