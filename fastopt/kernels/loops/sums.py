"""Sums over the elements of an array, of what a rule asks before its step: in chunks of fixed size, added up in a
fixed order, so the same at any thread count. Elements and coefficients are those of the arrays' dtype, in float64."""

import numpy as np
from numba import prange

from ...linking import UNBOUND, stand_in
from ..norms import CHUNK, LANES
from ..subnormals import flush_off, flush_on
from ..threads import limit_threads, restore_threads
from ..tuples import at, cast_like, part
from .step import BUSY, begin, coefficients, elements, end, fault

AT = UNBOUND  # which of the sums, or of the numbers
SUMS = UNBOUND  # how many there are


@stand_in
def term(p, g, *numbers):
    """Stands for what is summed: a function of a rule's ``reduces``."""


@stand_in
def add(p, g, state, numbers, first, count, lanes):
    """Stands for ``add_one`` for each of the sums."""


@stand_in
def items(numbers):
    """Stands for the tuple of an array's numbers."""


@stand_in
def items_of_sums(sums):
    """Stands for the same of the sums."""


@stand_in
def keep(kept, new):
    """Stands for ``keep_item`` for each of the kept numbers."""


@stand_in
def combine(c, sums, kept):
    """Stands for a rule's ``combine``."""


def add_one(p, g, state, numbers, first, count, lanes):
    for lane in range(count):
        i = first + lane
        lanes[AT, lane] += term(*(cast_like((p[i], g[i]) + at(state, i), lanes) + numbers))


def item(numbers):
    return (numbers[AT],)


def keep_item(kept, new):
    kept[AT] = new[AT]


def add_chunk(p, g, state, numbers, lanes):
    control = flush_on()
    whole = p.size - p.size % LANES
    for i in range(0, whole, LANES):
        add(p, g, state, numbers, i, LANES, lanes)
    add(p, g, state, numbers, whole, p.size - whole, lanes)
    flush_off(control)


def add_up(lanes, sums):
    for k in range(sums.size):
        for lane in range(LANES):
            sums[k] += lanes[k, lane]


def serial(p, g, state, numbers, sums):
    """Add to the sums those of an array; ``numbers`` are what terms take behind p, g and state."""
    lanes = np.empty((sums.size, LANES))
    for i in range(0, p.size, CHUNK):
        j = i + CHUNK if i + CHUNK < p.size else p.size
        lanes[:] = 0.0
        add_chunk(p[i:j], g[i:j], part(state, i, j), numbers, lanes)
        add_up(lanes, sums)


def parallel(p, g, state, numbers, sums, threads):
    chunks = (p.size + CHUNK - 1) // CHUNK
    lanes = np.zeros((chunks, sums.size, LANES))
    before = limit_threads(threads)
    for k in prange(chunks):
        i, j = k * CHUNK, (k + 1) * CHUNK
        add_chunk(p[i:j], g[i:j], part(state, i, j), numbers, lanes[k])
    restore_threads(before)
    for k in range(chunks):
        add_up(lanes[k], sums)


# --- in compiled loops: c are the coefficients in the dtype of the arrays, kept is an array of float64 ---------------


def add_sums(p, g, state, c, kept, sums):
    serial(p, g, state, cast_like(c, kept) + items(kept), sums)


def combined(c, sums, kept):
    """What a rule makes of its sums: more coefficients. Writes what it keeps."""
    extra, new = combine(cast_like(c, kept), items_of_sums(sums), items(kept))
    keep(kept, new)
    return extra


def step(kept, p, g, state, counts, t, h):
    """The same as ``serial`` of step.py, with the sums of this array alone before."""
    bad = fault(p, g, state)
    if bad == 0:
        count = begin(counts, t)
        if count == 0:
            return BUSY
        control = flush_on()
        advance(p, g, state, cast_like(coefficients(count, *h), p), kept)
        flush_off(control)
        end(counts, t)
    return bad


def advance(p, g, state, c, kept):
    """A step of one array alone."""
    sums = np.zeros(SUMS)
    add_sums(p, g, state, c, kept, sums)
    elements(p, g, state, c + cast_like(combined(c, sums, kept), p))
