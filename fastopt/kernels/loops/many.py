"""Many minimisations on a few lanes: each lane has a problem, and takes the next one when that has stopped.

All lanes take a step, then all are evaluated, each by one call of the compiled function at an address: so this is
compiled once for a dtype and a number of lanes, whatever is minimised and by which rule. What a lane computes is its
own: neither its neighbours nor its place show. What is known of a problem between two slices is in arrays with a row
for it, as loops/minimize.py describes it; what is known of the lanes lies as across.py describes it.
"""

from ...linking import UNBOUND, stand_in
from ..addresses import fails
from ..slices import is_over
from ..subnormals import flush_off, flush_on
from .lanes import (
    ALL,
    APART,
    BEGIN,
    BOUNDED,
    CHANGE,
    CHUNKS,
    CONTEXT,
    CORRECT,
    DUE,
    EMPTY,
    END,
    EVALUATE,
    EVALUATED,
    FIRST,
    FIRST_KEPT,
    GOING,
    ITERATIONS,
    LAST_TICK,
    LEFT,
    LOW,
    MEASURES_STEPS,
    MOST,
    NEXT,
    READS_VALUE,
    SINCE,
    STEP,
    TICKS,
    UNTIL,
    WHO,
    G,
    X,
    verdict,
)
from .minimize import BY_GRADIENT, NIT, RAISED, RUNNING, STARTED, STATUS

HOT = ("go_on", "prepare", "advance", "evaluated", "is_calm")  # what is called in each iteration, and put into the loop
COLD = ("begin", "refilled", "load", "leave")  # what a problem needs when it comes and goes
HAND = 16  # problems dealt out at a time: neighbours share cache lines

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
def steepest(lanes, out, least):
    """Stands for the largest element of each gradient; NaN where there is one. Whether all are finite, and above this
    number."""


@stand_in
def gather(to, base, numbers, apart):
    """Stands for what takes each lane's number from its row of a table, ``numbers`` of rows from the base on."""


def work(job):
    """Go on with the problems of a plan, until each has stopped, or the slice ends, or time is over."""
    x, numbers, counts, limits, rows, table, tests, changing, plan, lanes, c, row, found, at = read(job, 0)
    problems = x, numbers, counts, limits, rows
    control = flush_on()
    begin(c, at, table, plan)
    some = refilled(at, counts, plan)
    while some:
        load(some, lanes, row, at, problems)  # a constant would be a type of its own, for which it is compiled again
        one_left = False
        while not one_left:
            if at[ALL, GOING] > 0:
                advance(job, lanes, c, at, table, changing, plan)
            if at[ALL, GOING] + at[ALL, EMPTY] < LANES:
                load(not some, lanes, row, at, problems)
            raised = go_on(job, lanes, c, row, found, at, table, tests, changing, plan)
            one_left = look(raised, lanes, found, at, problems, tests, plan)
        some = refilled(at, counts, plan)
    flush_off(control)


def go_on(job, lanes, c, row, found, at, table, tests, changing, plan):
    """Evaluate, and step and evaluate again as long as there is nothing to look at; whether the objective raised."""
    while evaluated(lanes, row, found, at, plan):
        calm = not plan[BOUNDED] and steepest(lanes, found, tests[BY_GRADIENT])
        if not calm or not is_calm(at, plan):
            return False
        advance(job, lanes, c, at, table, changing, plan)
    return True


def advance(job, lanes, c, at, table, changing, plan):
    """A step of all lanes. Rules that keep numbers have one: its problem says where they are."""
    prepare(lanes, c, at, table, changing, plan)
    if plan[CHANGE]:
        call(plan[CHANGE], (job,))
    call(plan[STEP], (lanes.ctypes.data, c.ctypes.data, lanes.shape[1], plan[FIRST_KEPT] + at[WHO, 0] * plan[APART]))
    if plan[CORRECT]:
        call(plan[CORRECT], (job,))


def begin(c, at, table, plan):
    for lane in range(LANES):
        at[WHO, lane], at[EVALUATED, lane], at[ITERATIONS, lane], at[DUE, lane] = -1, 1, plan[FIRST], 0
        for k in range(c.shape[0]):
            c[k, lane] = table[0, k]
    at[ALL, NEXT], at[ALL, GOING], at[ALL, EMPTY] = plan[BEGIN], 0, LANES
    at[ALL, LEFT], at[ALL, SINCE] = 0, 0


def refilled(at, counts, plan):
    """Give lanes without a problem the next ones that are due; whether any lane has one.

    One that was evaluated before is loaded at once, the others after the next step, which is not theirs.
    """
    i = at[ALL, NEXT]
    for lane in range(LANES):
        if at[WHO, lane] < 0 and i < plan[END]:
            while i < plan[END] and not (
                counts[i, STATUS] == RUNNING and (counts[i, NIT] < plan[UNTIL] or counts[i, STARTED] == 0)
            ):
                i = following(i, plan)
            if i < plan[END]:
                started = counts[i, STARTED] != 0
                at[WHO, lane], at[EVALUATED, lane], at[DUE, lane] = i, started, 1
                at[ALL, GOING] += started
                at[ALL, EMPTY] -= 1
                at[ALL, LEFT] = 0
                i = following(i, plan)
    at[ALL, NEXT] = i
    return at[ALL, EMPTY] < LANES


def following(i, plan):
    """The problem after this one in the same hands."""
    i += 1
    return i if (i - plan[BEGIN]) % HAND else i + (plan[CHUNKS] - 1) * HAND


def evaluated(lanes, row, found, at, plan):
    """Value and gradient of all lanes; False if the objective raised. One lane tells which problem it has."""
    which = at[WHO, 0] if LANES == 1 else row.ctypes.data
    size, slot = lanes.shape[1], lanes.shape[1] * LANES * lanes.itemsize
    x, g = lanes.ctypes.data + X * slot, lanes.ctypes.data + G * slot
    failed = fails(plan[EVALUATE], (plan[CONTEXT], which, x, g, found.ctypes.data, size))
    if failed:
        flush_on()  # whatever it left
    return not failed


def prepare(lanes, c, at, table, changing, plan):
    """The coefficients of each lane's next step. A lane without a problem does as the others do, and nobody looks."""
    keep_old(lanes.ctypes.data, 0, lanes.shape[1])
    size, row = table.itemsize, table.shape[1] * table.itemsize
    base, numbers = (at[ALL, SINCE] - plan[FIRST]) * row, at.ctypes.data + ITERATIONS * at.shape[1] * at.itemsize
    for n in range(changing.size):
        k = changing[n]
        gather(c.ctypes.data + k * LANES * c.itemsize, table.ctypes.data + base + k * size, numbers, row)


# --- problems come and go --------------------------------------------------------------------------------------------


def load(evaluated, lanes, row, at, problems):
    """What is known of the problems that lanes were given, of those that were evaluated or of the others."""
    x, _, counts, limits, rows = problems
    for lane in range(LANES):
        if at[DUE, lane] != 0 and at[EVALUATED, lane] == evaluated:
            i = at[WHO, lane]
            at[ITERATIONS, lane], at[DUE, lane] = counts[i, NIT], 0
            for k in range(limits.shape[0]):
                for j in range(limits.shape[2]):
                    lanes[LOW + k, j, lane] = limits[k, i, j]
            for k in range(x.shape[0]):
                for j in range(x.shape[2]):
                    lanes[X + k, j, lane] = x[k, i, j]
            for n in range(rows.shape[1]):
                row[n, lane] = rows[i, n]


def leave(lane, status, lanes, at, problems, plan):
    """Write down what is known of a lane's problem; the lane has none now."""
    x, _, counts, _, _ = problems
    i = at[WHO, lane]
    counts[i, NIT], counts[i, STATUS] = at[ITERATIONS, lane], status
    if status != RAISED:
        counts[i, STARTED] = 1
    for k in range(x.shape[0]):
        for j in range(x.shape[2]):
            x[k, i, j] = lanes[X + k, j, lane]
    at[ALL, GOING] -= at[EVALUATED, lane]
    at[ALL, EMPTY] += 1
    at[WHO, lane], at[EVALUATED, lane], at[ITERATIONS, lane] = -1, 1, plan[FIRST]


# --- the tests -------------------------------------------------------------------------------------------------------


def is_calm(at, plan):
    """Whether all lanes go on, as far as can be told without their gradients; their iterations are counted then."""
    if at[ALL, LEFT] <= 1 or is_over((plan[TICKS], plan[LAST_TICK])):
        return False
    at[ALL, LEFT] -= 1
    at[ALL, SINCE] += 1
    return True


def look(raised, lanes, found, at, problems, tests, plan):
    """Test each lane; what has stopped leaves. Returns whether one did. Of lanes side by side each one raises if one
    does: what they compute with differs, but not what is done."""
    empty, over, left = at[ALL, EMPTY], is_over((plan[TICKS], plan[LAST_TICK])), min(plan[UNTIL], plan[MOST])
    if over:
        at[ALL, NEXT] = plan[END]  # the next call begins with it
    soonest = left
    for lane in range(LANES):
        at[ITERATIONS, lane] += at[ALL, SINCE]
        if at[WHO, lane] >= 0:
            at[ITERATIONS, lane] += at[EVALUATED, lane]
            status = RAISED if raised else verdict(lane, lanes, found, at, problems[1], tests, plan)
            if status != RUNNING or at[ITERATIONS, lane] >= plan[UNTIL] or over:
                leave(lane, status, lanes, at, problems, plan)
            elif at[EVALUATED, lane] == 0:
                at[EVALUATED, lane] = 1
                at[ALL, GOING] += 1
        soonest = min(soonest, left - at[ITERATIONS, lane])
    at[ALL, SINCE] = 0
    each = plan[READS_VALUE] or plan[MEASURES_STEPS] or plan[BOUNDED] or at[ALL, EMPTY] > 0
    at[ALL, LEFT] = 0 if each else soonest
    return at[ALL, EMPTY] > empty
