"""One step of many tensors, of which a table knows the addresses, sizes and steps: a row for each.

The table is given by its address: Numba would count references to an array at every call.
"""

from numba import prange

from ...linking import stand_in
from ..memory import load64, load_float, store64, store_float
from ..subnormals import flush_off, flush_on
from ..teams import begin, number_of
from ..threads import limit_threads, restore_threads
from ..tuples import cast_like

# The columns: elements, the step that is taken (0: none), the steps that were, where the step is written and how many
# bytes it has there (0: nowhere); two numbers of the tensor's own, as float64, where they are written, and their bytes
# there; the parameter, its gradient, its state.
SIZE, T, TAKEN, STEP, STEP_BYTES, NUMBER, OWN, OWN_BYTES, P, G, STATE = 0, 1, 2, 3, 4, 5, 7, 9, 11, 12, 13
OWNS = 2
WORD = 8  # bytes of a cell

# What is noted for a team: table, rows, width, total; who tells a thread its number, and how many there are; then h.
THREAD, THREADS, NOTED = range(4, 7)


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
    """Stands for what coefficients take: h, and before it those of a tensor's own numbers that are used."""


@stand_in
def floats(address):
    """Stands for h, out of memory."""


@stand_in
def following(t, own, h):
    """Stands for a tensor's own numbers after step t."""


def owned(row):
    """A tensor's own numbers."""
    return load_float(row + WORD * NUMBER, WORD), load_float(row + WORD * (NUMBER + 1), WORD)


def part(table, rows, width, h, start, stop):
    """Step elements start to stop of all tensors, counted through."""
    control = flush_on()
    t, own, begin = load64(table + WORD * T), owned(table), 0
    nothing = arrays(table + WORD * P, 0, 0)[0]
    c = cast_like(coefficients(max(t, 1), *numbers(own, h)), nothing)
    for i in range(rows):
        row = table + WORD * width * i
        size = load64(row + WORD * SIZE)
        first, last = max(start - begin, 0), min(stop - begin, size)
        begin += size
        if first >= last:
            continue
        now, mine = load64(row + WORD * T), owned(row)
        if now != t or mine != own:
            t, own = now, mine
            c = cast_like(coefficients(t, *numbers(own, h)), nothing)
        found = arrays(row + WORD * P, first, last)
        elements(found[0], found[1], found[2:], c)
    flush_off(control)


def count(table, rows, width, h):
    """Write down that the step was taken, where each tensor keeps that."""
    for i in range(rows):
        row = table + WORD * width * i
        t = load64(row + WORD * T)
        if t == 0:
            continue
        store64(row + WORD * TAKEN, t)
        nbytes = load64(row + WORD * STEP_BYTES)
        if nbytes > 0:
            store_float(load64(row + WORD * STEP), nbytes, float(t))
        own = following(t, owned(row), h)
        for k in range(OWNS):
            nbytes = load64(row + WORD * (OWN_BYTES + k))
            if nbytes > 0:
                store_float(load64(row + WORD * (OWN + k)), nbytes, own[k])


def serial(table, rows, width, h, total):
    """The step, of all tensors together so many elements."""
    part(table, rows, width, h, 0, total)
    count(table, rows, width, h)


def parallel(table, rows, width, h, total, chunks):
    """The same in equal parts, so that a large tensor is shared and small ones are dealt out; the same bits."""
    before = limit_threads(chunks)
    for k in prange(chunks):
        part(table, rows, width, h, total * k // chunks, total * (k + 1) // chunks)
    restore_threads(before)
    count(table, rows, width, h)


def share(work):
    """The part of one thread of a team. ``work``: the address of what ``team`` notes there."""
    thread, threads = number_of(load64(work + WORD * THREAD)), number_of(load64(work + WORD * THREADS))
    table, rows, width = load64(work), load64(work + WORD), load64(work + 2 * WORD)
    total = load64(work + 3 * WORD)
    part(table, rows, width, floats(work + WORD * NOTED), total * thread // threads, total * (thread + 1) // threads)
    return 0


def team(table, rows, width, h, total, work, start, share, threads):
    """The same by a team of another library's threads, which ``start`` begins; all are addresses."""
    store64(work, table)
    store64(work + WORD, rows)
    store64(work + 2 * WORD, width)
    store64(work + 3 * WORD, total)
    for k in range(len(h)):
        store_float(work + WORD * (NOTED + k), WORD, h[k])
    begin(start, share, work, threads)
    count(table, rows, width, h)
