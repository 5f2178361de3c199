"""An epoch of minibatch training without Python: gather, loss and gradient, clip, update.

It does to the bit what train/epochs.py does in Python. A template; the stand-ins are bound in (``bound``).
"""

import math

from ..norms import CHUNK, SMALL, UNITS, settled
from ..norms import serial as squares_of
from ..overloads import compiled_form
from ..stand_ins import UNBOUND, stand_in
from ..tuples import cast_like
from .minimize import take
from .step import coefficients, sweep

AT, T, SKIPPED, BAD = 0, 1, 2, 3  # in counts: the next example, updates applied, updates skipped, a refused gradient


LOSS, NORM, BOUND = 0, 1, 2  # in numbers: the sum of losses, and the options clip_norm and clip_value


# What is compiled in or left out.
ACCUMULATES = UNBOUND


MEAN = UNBOUND


CHECKS = UNBOUND


SKIPS = UNBOUND


CLIPS = UNBOUND


@stand_in
def call_loss(loss, arguments):
    """Stands for the loss, called by its address."""


@stand_in
def batch_of(data, scratch, order, start, end):
    """Stands for the examples of a batch."""


def whole(data, scratch, order, start, end):
    return data


def gathered(data, scratch, order, start, end):
    gather(scratch, data, order[start:end])
    return head(scratch, end - start)


def epoch(loss, params, grads, data, scratch, order, blocks, g, sums, table, like, lanes, limits, numbers, counts):
    """Go on through the epoch from ``counts[AT]``, for ``limits[0]`` updates at most.

    ``blocks`` holds ``(p, g, state, group)`` for each kernel call, ``g`` is the memory of all gradients, ``table`` the
    hyperparameters by group and step. ``limits`` is (updates, examples, batch size, batches per update, the steps
    applied before the table's first row).
    """
    updates, n, size, accumulate, first = limits
    while updates > 0 and counts[AT] < n and not counts[BAD]:
        examples = 0
        for k in range(accumulate):
            start = counts[AT]
            end = min(start + size, n)
            if start < end:
                g[:] = cast_like((0.0,), g)[0]
                numbers[LOSS] += call_loss(loss, (params, grads, *batch_of(data, scratch, order, start, end)))
                examples += end - start
                counts[AT] = end
                if ACCUMULATES:
                    add(sums, g, k == 0)
        if ACCUMULATES:
            add(g, sums, True)
        if MEAN:
            scale(g, cast_like((1.0 / examples,), g)[0])
        step(blocks, table, like, lanes, counts[T] - first, numbers, counts)
        updates -= 1


def add(to, a, first):
    for i in range(to.size):
        to[i] = a[i] if first else to[i] + a[i]


def scale(g, by):
    for i in range(g.size):
        g[i] *= by


def step(blocks, table, like, lanes, row, numbers, counts):
    """One update of all blocks, unless the gradient is refused or skipped."""
    factor = 1.0
    if CHECKS and not squares_of_all(blocks, math.inf, SMALL, lanes) < math.inf:
        counts[SKIPPED if SKIPS else BAD] += 1
        return
    if CLIPS:
        factor = numbers[NORM] / (norm(blocks, numbers[BOUND], lanes) + 1e-6)
        factor = 1.0 if factor > 1.0 else factor
    t = counts[T] + 1
    for p, g, state, group in blocks:
        h = with_factor(take(table[group], min(row, table.shape[1] - 1), like), factor)
        sweep(p, g, state, cast_like(coefficients(t, *h), p))
    counts[T] = t


def unclipped(h, factor):
    return h


@stand_in
def with_factor(h, factor):
    """Stands for one of these."""


def clipped(h, factor):
    return (*h[:-2], h[-2] * factor, h[-1])


def squares_of_all(blocks, bound, unit, lanes):
    squares = 0.0
    for block in blocks:
        g = block[1]
        squares += squares_of(g, bound, unit, lanes[: (g.size + CHUNK - 1) // CHUNK])
    return squares


def norm(blocks, bound, lanes):
    squares = unit = 0.0
    for unit in UNITS:
        squares = squares_of_all(blocks, bound, unit, lanes)
        if settled(squares, unit):
            break
    return math.sqrt(squares) / unit


# --- batches: tuples of arrays of different types -----------------------------------------------------------------


def gather(to, data, order):
    """The examples that ``order`` names, of each array."""
    for a, b in zip(to, data):
        a[: len(order)] = b[order]


@compiled_form(gather)
def _gather(to, data, order):
    if not len(to):
        return lambda to, data, order: None

    def first_and_rest(to, data, order):
        a, b = to[0], data[0]
        for k in range(order.size):
            a[k] = b[order[k]]
        gather(to[1:], data[1:], order)

    def first_of_rows_and_rest(to, data, order):  # 5 times as fast as assigning rows
        a, b = to[0], data[0]
        for k in range(order.size):
            i = order[k]
            for j in range(a.shape[1]):
                a[k, j] = b[i, j]
        gather(to[1:], data[1:], order)

    return first_of_rows_and_rest if to[0].ndim == 2 else first_and_rest


def head(arrays, n):
    return tuple(a[:n] for a in arrays)


@compiled_form(head)
def _head(arrays, n):
    if not len(arrays):
        return lambda arrays, n: ()
    return lambda arrays, n: (arrays[0][:n], *head(arrays[1:], n))
