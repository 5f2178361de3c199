"""Many minimisations on a GPU: a thread runs the loop of loops/minimize.py for one problem.

What that loop calls is here where the CPU has it in another form; names are bound in as in step.py.
Arrays have the problems along their first axis and are in Fortran order, so that neighbouring threads read
neighbouring memory: a problem's x is every k-th number of X.
"""

import math

from ....linking import UNBOUND, stand_in
from ...loops.minimize import RAISED, RUNNING, STATUS, VALUE
from ...modifiers import clamp

cuda = UNBOUND
AT = UNBOUND


@stand_in
def rows(arrays, i):
    """Stands for ``read`` of tuples.py: row i of each array, or item i where it has one dimension."""


@stand_in
def of_state(state, i):
    """Stands for the same of the state."""


@stand_in
def one(objective, problem, course):
    """Stands for ``loop``."""


@stand_in
def evaluate(fun, jac, x, g, args, low, high):
    """Stands for the objective."""


def many(args, shared, problems, course, part, running):
    """The loop for each problem of ``part``, (begin, end), that still runs; ``running`` says whether any does."""
    x, g, old, best, state, numbers, counts = problems
    table, tests, limit = course
    i = part[0] + cuda.grid(1)
    if i < part[1] and counts[i, STATUS] == RUNNING:
        none = tests[:0]
        counts[i, STATUS] = RAISED  # unless it returns
        problem = x[i], g[i], old[i], best[i], of_state(state, i), numbers[i], counts[i]
        one((0, 0, rows(args, i) + shared, none, none, none), problem, (table, (), tests, limit))
        if counts[i, STATUS] == RUNNING:
            running[0] = 1


def evaluate_many(args, shared, X, G, tests, numbers, counts, part):
    """Value and gradient of each problem that is not marked as one that has raised."""
    i = part[0] + cuda.grid(1)
    if i < part[1] and counts[i, STATUS] != RAISED:
        none = tests[:0]
        numbers[i, VALUE] = math.nan  # unless it returns
        numbers[i, VALUE] = evaluate(0, 0, X[i], G[i], rows(args, i) + shared, none, none)


def transfer(source, target):
    """Copy a matrix into one of another order."""
    i = cuda.grid(1)
    while i < target.size:
        target[i % target.shape[0], i // target.shape[0]] = source[i % target.shape[0], i // target.shape[0]]
        i += cuda.gridsize(1)


# --- what the loop calls -------------------------------------------------------------------------------------------


def keep_control(*args):
    """For ``flush_on`` and ``flush_off``: a GPU has no control word."""
    return 0


def never(limit):
    """For ``is_over``: a kernel on its way is not stopped."""
    return False


def as_it_is(x):
    """For ``lent``."""
    return x


def take(table, k, like):
    """For ``take`` of loops/rows.py, one number of a row: see ``each`` in linking.py."""
    return (table[k, AT],)


def cast_like(numbers, array):
    return (array.dtype.type(numbers[AT]),)


def put(arrays, i, values):
    arrays[AT][i] = values[AT]


def squares_of(g, bound, unit):
    """For ``norm_of`` of norms.py: in one thread, so one after the other."""
    squares = 0.0
    for i in range(g.size):
        x = unit * clamp(float(g[i]), bound)
        squares += x * x
    return squares
