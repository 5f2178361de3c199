"""One step of many tensors, of which a table knows the addresses, sizes and steps: a row for each."""

from numba import prange

from ..memory import store_float
from ..stand_ins import stand_in
from ..subnormals import flush_off, flush_on
from ..threads import limit_threads, restore_threads
from ..tuples import cast_like

# The columns: elements, the step that is taken (0: none), the steps that were, where the step is written and how many
# bytes it has there (0: nowhere), the same of a number of the tensor's own; the parameter, its gradient, its state.
SIZE, T, TAKEN, STEP, STEP_BYTES, OWN, OWN_BYTES, P, G, STATE = range(10)


@stand_in
def arrays(row, start, stop):
    """Stands for elements start to stop of p, g and the state arrays, whose addresses are in a row."""


@stand_in
def elements(p, g, state, c):
    """Stands for the loop over elements of a rule."""


@stand_in
def coefficients(t, *hyper):
    """Stands for a rule's coefficients."""


@stand_in
def numbers(own, h):
    """Stands for what coefficients take: h, or a tensor's own number before it."""


@stand_in
def following(t, own, h):
    """Stands for a tensor's own number after step t."""


def part(table, own, h, start, stop):
    """Step elements start to stop of all tensors, counted through."""
    control = flush_on()
    t, mine, begin = table[0, T], own[0], 0
    nothing = arrays(table[0, P:], 0, 0)[0]
    c = cast_like(coefficients(max(t, 1), *numbers(mine, h)), nothing)
    for i in range(table.shape[0]):
        first, last = max(start - begin, 0), min(stop - begin, table[i, SIZE])
        begin += table[i, SIZE]
        if first >= last:
            continue
        if table[i, T] != t or own[i] != mine:
            t, mine = table[i, T], own[i]
            c = cast_like(coefficients(t, *numbers(mine, h)), nothing)
        all_of_them = arrays(table[i, P:], first, last)
        elements(all_of_them[0], all_of_them[1], all_of_them[2:], c)
    flush_off(control)


def count(table, own, h):
    """Write down that the step was taken, where each tensor keeps that."""
    for i in range(table.shape[0]):
        t = table[i, T]
        if t == 0:
            continue
        table[i, TAKEN] = t
        if table[i, STEP_BYTES] > 0:
            store_float(table[i, STEP], table[i, STEP_BYTES], float(t))
        if table[i, OWN_BYTES] > 0:
            store_float(table[i, OWN], table[i, OWN_BYTES], following(t, own[i], h))


def serial(table, own, h, total):
    """The step, of all tensors together so many elements."""
    part(table, own, h, 0, total)
    count(table, own, h)


def parallel(table, own, h, total, chunks):
    """The same in equal parts, so that a large tensor is shared and small ones are dealt out; the same bits."""
    before = limit_threads(chunks)
    for k in prange(chunks):
        part(table, own, h, total * k // chunks, total * (k + 1) // chunks)
    restore_threads(before)
    count(table, own, h)
