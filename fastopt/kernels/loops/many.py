"""Many minimisations on a few lanes: each lane has a problem, and takes the next one when that has stopped.

All lanes take a step, then all are evaluated, by one call of the compiled function at an address: so this is compiled
once for a rule, whatever is minimised. What a lane computes is its own: neither its neighbours nor its place show.
What is known of a problem between two slices is in arrays with a row for it, as loops/minimize.py describes it; what
is known of the lanes lies as across.py describes it.
"""

import math

from ..slices import is_over
from ..stand_ins import UNBOUND, stand_in
from ..subnormals import control_word, flush_off, flush_on
from .minimize import (
    BEST,
    BY_GRADIENT,
    BY_STEP,
    BY_VALUE,
    FTOL,
    GTOL,
    NIT,
    NONFINITE,
    RAISED,
    RUNNING,
    SIGN,
    START,
    STARTED,
    STATUS,
    VALUE,
    XTOL,
)

HAND = 16  # problems dealt out at a time: neighbours share cache lines

# The slots of lanes; those from X on are those of the problems, too.
LOW, HIGH, SCALE, X, G, OLD, KEPT, STATE = range(8)

# The numbers of a plan: what is evaluated, which problems, how far, and what is done at all.
(EVALUATE, CONTEXT, STEP, PREPARE, CORRECT, BEGIN, END, CHUNKS, UNTIL, MOST, REASON, FIRST, READS_VALUE, KEEPS_BEST,
 STAGED, CLIPS_NORM, BOUNDED, SCALED, MEASURES_STEPS, TICKS, LAST_TICK, PLANNED) = range(22)  # fmt: skip

# What is counted in lanes: the problem, or -1, its iterations, whether it was evaluated; and of all of them, in ALL,
# which problem is next, how many lanes have one that was evaluated, how many one that was not, and how many iterations
# all are from the next one's limit.
WHO, ITERATIONS, EVALUATED, ALL = range(4)
NEXT, GOING, FRESH, LEFT = range(4)
VALUES, STEEPEST = 0, 1  # in the lanes' float64 numbers

LANES = UNBOUND


@stand_in
def read(job, base):
    """Stands for the reader of a job (described.py)."""


@stand_in
def call(address, arguments):
    """Stands for a call by address."""


@stand_in
def keep_old(lanes, numbers, size):
    """Stands for a copy of x, of all lanes (across.py)."""


@stand_in
def steepest(lanes, out):
    """Stands for the largest element of each gradient; NaN where there is one."""


def work(job):
    """Go on with the problems of a plan, until each has stopped or has come to the end of the slice, or time is over."""
    x, numbers, counts, limits, rows, table, tests, changing, plan, lanes, c, row, found, at = read(job, 0)
    problems, course = (x, numbers, counts, limits, rows), (table, tests, changing, plan)
    control = flush_on()
    begin(lanes, c, row, at, problems, course)
    while at[ALL, GOING] + at[ALL, FRESH] > 0:
        if at[ALL, GOING] > 0:
            prepared(lanes, c, at, course)
            if plan[PREPARE]:
                call(plan[PREPARE], (job,))
            call(plan[STEP], (lanes.ctypes.data, c.ctypes.data, lanes.shape[1]))
            if plan[CORRECT]:
                call(plan[CORRECT], (job,))
        if at[ALL, FRESH] > 0:
            load_fresh(lanes, row, at, problems)
        if evaluated(lanes, row, found, at, plan):
            look(lanes, row, found, at, problems, course)
        else:
            all_raised(lanes, row, at, problems, plan)
    flush_off(control)


def begin(lanes, c, row, at, problems, course):
    table, _, _, plan = course
    for k in range(c.shape[0]):
        for lane in range(LANES):
            c[k, lane] = table[0, k]
    at[ALL, NEXT] = plan[BEGIN]
    at[ALL, GOING] = at[ALL, FRESH] = at[ALL, LEFT] = 0
    for lane in range(LANES):
        take(lane, lanes, row, at, problems, plan)


def evaluated(lanes, row, found, at, plan):
    """Value and gradient of all lanes; False if the objective raised. One lane tells which problem it has."""
    control, done = control_word(), False
    which = at[WHO, 0] if LANES == 1 else row.ctypes.data
    size, slot = lanes.shape[1], lanes.shape[1] * LANES * lanes.itemsize
    x, g = lanes.ctypes.data + X * slot, lanes.ctypes.data + G * slot
    arguments = plan[CONTEXT], which, x, g, found.ctypes.data, size
    try:
        call(plan[EVALUATE], arguments)
        done = True
    except Exception:
        flush_off(control)
    return done


def prepared(lanes, c, at, course):
    """The coefficients of each lane's next step. A lane without a problem does as the others do, and nobody looks."""
    table, _, changing, plan = course
    keep_old(lanes.ctypes.data, 0, lanes.shape[1])
    for n in range(changing.size):
        k = changing[n]
        for lane in range(LANES):
            c[k, lane] = table[at[ITERATIONS, lane] - plan[FIRST], k]


# --- problems come and go --------------------------------------------------------------------------------------------


def take(lane, lanes, row, at, problems, plan):
    """Give a lane the next problem that is due: at once, if it was evaluated before; else after the others' step."""
    counts, i = problems[2], at[ALL, NEXT]
    while i < plan[END] and not is_due(counts[i], plan):
        i = following(i, plan)
    at[WHO, lane], at[EVALUATED, lane], at[ITERATIONS, lane] = -1, 1, plan[FIRST]
    if i < plan[END]:
        at[WHO, lane] = i
        if counts[i, STARTED] != 0:
            load(lane, lanes, row, at, problems)
            at[ALL, GOING] += 1
        else:
            at[EVALUATED, lane] = 0
            at[ALL, FRESH] += 1
        i = following(i, plan)
    at[ALL, NEXT] = i


def is_due(count, plan):
    return count[STATUS] == RUNNING and (count[NIT] < plan[UNTIL] or count[STARTED] == 0)


def following(i, plan):
    """The problem after this one in the same hands."""
    i += 1
    return i if (i - plan[BEGIN]) % HAND else i + (plan[CHUNKS] - 1) * HAND


def load_fresh(lanes, row, at, problems):
    for lane in range(LANES):
        if at[EVALUATED, lane] == 0:
            load(lane, lanes, row, at, problems)


def load(lane, lanes, row, at, problems):
    x, numbers, counts, limits, rows = problems
    i = at[WHO, lane]
    at[ITERATIONS, lane] = counts[i, NIT]
    for k in range(limits.shape[0]):
        for j in range(limits.shape[2]):
            lanes[LOW + k, j, lane] = limits[k, i, j]
    for k in range(x.shape[0]):
        for j in range(x.shape[2]):
            lanes[X + k, j, lane] = x[k, i, j]
    for n in range(rows.shape[1]):
        row[n, lane] = rows[i, n]


def save(lane, lanes, at, problems):
    x, numbers, counts, limits, rows = problems
    i = at[WHO, lane]
    counts[i, NIT] = at[ITERATIONS, lane]
    for k in range(x.shape[0]):
        for j in range(x.shape[2]):
            x[k, i, j] = lanes[X + k, j, lane]


def all_raised(lanes, row, at, problems, plan):
    """Of lanes side by side each one raises if one does: what they compute with differs, but not what is done."""
    for lane in range(LANES):
        i = at[WHO, lane]
        if i >= 0:
            at[ITERATIONS, lane] += at[EVALUATED, lane]
            problems[2][i, STATUS] = RAISED
            leave(lane, lanes, row, at, problems, plan)


def leave(lane, lanes, row, at, problems, plan):
    at[ALL, GOING if at[EVALUATED, lane] else FRESH] -= 1
    save(lane, lanes, at, problems)
    take(lane, lanes, row, at, problems, plan)


# --- the tests -------------------------------------------------------------------------------------------------------


def look(lanes, row, found, at, problems, course):
    """Test each lane; what has stopped leaves."""
    _, tests, _, plan = course
    counts, over = problems[2], is_over((plan[TICKS], plan[LAST_TICK]))
    if not plan[BOUNDED]:
        steepest(lanes, found)
        if at[ALL, LEFT] > 1 and not over and is_calm(found, tests):
            at[ALL, LEFT] -= 1
            for lane in range(LANES):
                at[ITERATIONS, lane] += 1
            return
    if over:
        at[ALL, NEXT] = plan[END]  # which the next call begins with
    left = plan[UNTIL]
    for lane in range(LANES):
        i = at[WHO, lane]
        if i >= 0:
            at[ITERATIONS, lane] += at[EVALUATED, lane]
            status = verdict(lane, lanes, found, at, problems, course)
            if status != RUNNING or at[ITERATIONS, lane] >= plan[UNTIL] or over:
                counts[i, STARTED], counts[i, STATUS] = 1, status
                leave(lane, lanes, row, at, problems, plan)
            elif at[EVALUATED, lane] == 0:
                at[EVALUATED, lane] = 1
                at[ALL, GOING] += 1
                at[ALL, FRESH] -= 1
        left = min(left, min(plan[UNTIL], plan[MOST]) - at[ITERATIONS, lane])
    looks_at_all = plan[READS_VALUE] or plan[MEASURES_STEPS] or at[ALL, GOING] < LANES or at[ALL, FRESH] > 0
    at[ALL, LEFT] = 0 if looks_at_all else left


def is_calm(found, tests):
    """Whether no lane's gradient is small, or not finite."""
    calm = True
    for lane in range(LANES):
        calm &= tests[BY_GRADIENT] < found[STEEPEST, lane] < math.inf
    return calm


def verdict(lane, lanes, found, at, problems, course):
    """The status of a lane's problem, after an evaluation: as of one problem alone, in loops/minimize.py."""
    _, tests, _, plan = course
    numbers, i, f = problems[1], at[WHO, lane], found[VALUES, lane]
    going, sign, status = at[EVALUATED, lane] != 0, numbers[i, SIGN], RUNNING
    most = projected(lane, lanes, sign) if plan[BOUNDED] else found[STEEPEST, lane]
    if not most < math.inf or (plan[READS_VALUE] and not abs(f) < math.inf):
        move(lane, lanes, OLD, X)
        if plan[READS_VALUE] and not going:
            numbers[i, VALUE] = f
        return NONFINITE
    if plan[READS_VALUE]:
        if not going:
            numbers[i, START] = f
        if plan[KEEPS_BEST] and (not going or sign * f < sign * numbers[i, BEST]):
            numbers[i, BEST] = f
            move(lane, lanes, X, KEPT)
        if going and abs(f - numbers[i, VALUE]) <= tests[BY_VALUE] * max(1.0, abs(f)):
            status = FTOL
        numbers[i, VALUE] = f
    if most <= tests[BY_GRADIENT]:
        return GTOL
    if status == RUNNING and plan[MEASURES_STEPS] and going and relative_step(lane, lanes) <= tests[BY_STEP]:
        return XTOL
    return plan[REASON] if status == RUNNING and at[ITERATIONS, lane] == plan[MOST] else status


def move(lane, lanes, source, to):
    for j in range(lanes.shape[1]):
        lanes[to, j, lane] = lanes[source, j, lane]


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
