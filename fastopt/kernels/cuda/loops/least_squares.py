"""Least squares on a GPU: a thread runs the loop of loops/least_squares.py for one problem, on one lane.

What that loop calls is here where the CPU has it in another form; names are bound in as in step.py. Arrays are in
Fortran order, with the problems along their first axis, but for the limits, which have them along their second.
"""

from ....linking import UNBOUND, stand_in
from ...loops.least_squares import BEGIN, END, PLANNED, STATUS, TICKS, WHO
from ...loops.minimize import RAISED, RUNNING
from ...loops.trust_region import F_SCALE, MATRICES, NEW, NUMBERS, SHARE, TRIAL, VECTORS
from ...tuples import address

cuda = UNBOUND
DTYPE = WIDE = COUNTS = UNBOUND  # of numbers; float64 and int64
WIDTH = SIDE = LENGTH = UNBOUND  # variables; one more; numbers of a matrix with so many rows
COUNTED = 3  # numbers of a lane


@stand_in
def rows(arrays, i):
    """Stands for ``read`` of tuples.py: row i of each array, or item i where it has one dimension."""


@stand_in
def work(job):
    """Stands for the loop."""


@stand_in
def vector(address, size):
    """Stands for a vector at an address (described.py)."""


@stand_in
def collect(x, gram, args, scale, share):
    """Stands for an evaluation (kernels/least_squares.py)."""


@stand_in
def solve(*words):
    """Stands for the solution of normal equations (kernels/normal_equations.py)."""


def many(args, shared, problems, results, given, part, running):
    """The loop for each problem of ``part``, (begin, end), that still runs; ``running`` says whether any does then."""
    x, scale, kept, counts = problems
    normal, cov, stderr = results
    limits, tests, plan = given
    i = part[0] + cuda.grid(1)
    if i < part[1] and counts[i, STATUS] == RUNNING:
        vectors = cuda.local.array((VECTORS, WIDTH, 1), DTYPE)
        matrices = cuda.local.array((MATRICES, SIDE, SIDE, 1), DTYPE)
        numbers = cuda.local.array((NUMBERS, 1), DTYPE)
        at = cuda.local.array((COUNTED, 1), COUNTS)
        square = cuda.local.array((SIDE, WIDTH), WIDE)
        own = cuda.local.array(PLANNED, COUNTS)
        for n in range(PLANNED):
            own[n] = plan[n]
        own[BEGIN], own[END] = i, i + 1
        of_lanes = vectors, matrices, numbers, (args, shared, counts), at, square
        work((x, scale, kept, normal, counts, cov, stderr, limits, 0, tests, own, *of_lanes))
        if counts[i, STATUS] == RUNNING:
            running[0] = 1


def evaluated(vectors, matrices, numbers, row, at, tests, plan):
    """The sums at the trial."""
    args, shared, counts = row
    i = at[WHO, 0]
    plan[TICKS] += 1
    counts[i, STATUS] = RAISED  # unless it returns
    gram = vector(address(matrices[NEW]), LENGTH)
    collect(vectors[TRIAL, :, 0], gram, rows(args, i) + shared, tests[F_SCALE], numbers[SHARE, 0])
    counts[i, STATUS] = RUNNING
    return True


# --- what the loop calls ---------------------------------------------------------------------------------------------


def as_given(job, base):
    """For ``read``."""
    return job


def bring(row, lane, rows, i):
    """For that of loops/least_squares.py: a thread reads its rows where they are."""


def is_enough(limit):
    """For ``is_over``: ticks are evaluations."""
    return limit[0] >= limit[1]


def at_once(solver, words):
    """For ``call``, of the solver."""
    solve(*words)
