"""An epoch of minibatch training: batches, losses and gradients, updates.

A template: the same text runs compiled, with the functions that follow it bound in (kernels/epoch.py), and interpreted,
with those of train/epochs.py. Both do the same to the bit.
"""

import math

import numpy as np

from ...linking import UNBOUND, link, stand_in
from ..counts import SKIPPED, T, load, store
from ..norms import CHUNK, SMALL, are_finite, clip_factor, norm_of
from ..norms import serial as squares_of
from ..slices import is_over
from ..tuples import cast_like
from .batches import gather, head
from .rows import take
from .step import coefficients, sweep
from .sums import SUMS, add_sums, advance, combined

# In counts: the next example, a refused gradient, whether the gradient is yet to be seen written, the batches and the
# examples of an update on its way.
AT, BAD, UNSEEN, BATCHES, EXAMPLES = 0, 1, 2, 3, 4
LOSS, NORM, BOUND = 0, 1, 2  # in numbers: the sum of losses, and the options clip_norm and clip_value

# What is compiled in or left out.
ACCUMULATES = UNBOUND
MEAN = UNBOUND
CHECKS = UNBOUND
SKIPS = UNBOUND
CLIPS = UNBOUND


@stand_in
def evaluate(batches, order, start, end):
    """Stands for the loss of a batch, whose gradient is left in the memory of all gradients."""


@stand_in
def is_written(batches):
    """Stands for whether the loss wrote each array of the gradient: before it, they hold nothing but -0.0."""


@stand_in
def collect(memory, first):
    """Stands for adding the gradient to those of the batches before."""


@stand_in
def finish(memory):
    """Stands for leaving the sum where the gradient was."""


@stand_in
def scale(memory, factor):
    """Stands for scaling the gradient."""


@stand_in
def update(steps, numbers, counts):
    """Stands for one update of all parameters."""


def epoch(batches, memory, steps, order, limits, numbers, counts):
    """Go on through the epoch from ``counts[AT]``, for ``limits[0]`` updates at most, or until time is over.

    A first gradient that was not written ends it, before anything is updated, with ``counts[UNSEEN]`` as it was.
    ``batches``, ``memory`` and ``steps`` are for the functions that are bound in. ``limits`` is (updates, examples,
    batch size, batches per update) and what slices.py ends it with.
    """
    updates, n, size, accumulate = limits[0], limits[1], limits[2], limits[3]
    while updates > 0 and counts[AT] < n and not counts[BAD]:
        start = counts[AT]
        end = start + size if start + size < n else n  # min would be a function to compile
        numbers[LOSS] += evaluate(batches, order, start, end)
        if counts[UNSEEN]:
            if not is_written(batches):
                return
            counts[UNSEEN] = 0
        if ACCUMULATES:
            collect(memory, counts[BATCHES] == 0)
        counts[AT] = end
        counts[BATCHES] += 1
        counts[EXAMPLES] += end - start
        if counts[BATCHES] == accumulate or end == n:
            if ACCUMULATES:
                finish(memory)
            if MEAN:
                scale(memory, 1.0 / counts[EXAMPLES])
            update(steps, numbers, counts)
            counts[BATCHES], counts[EXAMPLES] = 0, 0
            updates -= 1
        if is_over(limits):
            return


# --- compiled --------------------------------------------------------------------------------------------------------
# ``batches`` are (loss, params, grads, the memory of all gradients, where each begins and ends, data, scratch),
# ``memory`` that of gradients and of their sums, ``steps`` (blocks, table, like, lanes, the steps applied before the
# table's first row, where the optimiser counts them). ``blocks`` holds (p, g, state, group, missed, kept) for each
# kernel call, the table the hyperparameters by group and step, ``like`` its first row.


@stand_in
def call_loss(loss, arguments):
    """Stands for the loss, called by its address."""


@stand_in
def batch_of(data, scratch, order, start, end):
    """Stands for the examples of a batch: one of the next two."""


def whole(data, scratch, order, start, end):
    return data


def gathered(data, scratch, order, start, end):
    gather(scratch, data, order[start:end])
    return head(scratch, end - start)


def evaluate_batch(batches, order, start, end):
    loss, params, grads, g, _, data, scratch = batches
    g[:] = cast_like((-0.0,), g)[0]  # which is 0.0 to a loss that adds, and shows whether there was one that wrote
    return call_loss(loss, (params, grads, *batch_of(data, scratch, order, start, end)))


def are_written(batches):
    g, bounds = batches[3], batches[4]
    for k in range(len(bounds)):
        start, end = bounds[k, 0], bounds[k, 1]
        i = start
        while i < end and g[i] == 0.0 and math.copysign(1.0, g[i]) < 0.0:
            i += 1
        if i == end and start < end:
            return False
    return True


def add_to_sums(memory, first):
    g, sums = memory
    for i in range(g.size):
        sums[i] = g[i] if first else sums[i] + g[i]


def take_sums(memory):
    g, sums = memory
    for i in range(g.size):
        g[i] = sums[i]


def scale_gradient(memory, factor):
    g = memory[0]
    by = cast_like((factor,), g)[0]
    for i in range(g.size):
        g[i] *= by


def update_blocks(steps, numbers, counts):
    """Unless the gradient is refused or skipped."""
    blocks, table, like, lanes, first, held = steps
    factor = 1.0
    if CHECKS and not are_finite(squares_of_blocks((blocks, lanes), math.inf, SMALL)):
        if SKIPS:
            store(held, SKIPPED, load(held, SKIPPED) + 1)
        else:
            counts[BAD] = 1
        return
    if CLIPS:
        factor = clip_factor(norm_of_blocks((blocks, lanes), numbers[BOUND]), numbers[NORM])
    t = load(held, T) + 1
    row, last = t - 1 - first, table.shape[1] - 1
    row = row if row < last else last
    step_blocks(blocks, table, row, like, factor, t)
    store(held, T, t)


@stand_in
def step_blocks(blocks, table, row, like, factor, t):
    """Stands for one of the next three."""


def coefficients_of(block, table, row, like, factor, t):
    p, _, _, group, missed, _ = block
    h = with_factor(take(table[group], row, like), factor)
    return cast_like(coefficients(t - missed, *h), p)


def one_by_one(blocks, table, row, like, factor, t):
    for block in blocks:
        sweep(block[0], block[1], block[2], coefficients_of(block, table, row, like, factor, t))


def each_by_its_sums(blocks, table, row, like, factor, t):
    for block in blocks:
        p, g, state, _, _, kept = block
        advance(p, g, state, coefficients_of(block, table, row, like, factor, t), kept)


def all_by_their_sums(blocks, table, row, like, factor, t):
    """With the coefficients of the first group."""
    sums, kept = np.zeros(SUMS), blocks[0][5]
    for block in blocks:
        add_sums(block[0], block[1], block[2], coefficients_of(block, table, row, like, factor, t), kept, sums)
    first = (blocks[0][0], blocks[0][1], blocks[0][2], blocks[0][3], 0, kept)
    extra = combined(coefficients_of(first, table, row, like, factor, t), sums, kept)
    for block in blocks:
        c = coefficients_of(block, table, row, like, factor, t)
        sweep(block[0], block[1], block[2], c + cast_like(extra, block[0]))


@stand_in
def with_factor(h, factor):
    """Stands for ``unclipped``, or ``rescaled`` of modifiers.py."""


def unclipped(h, factor):
    return h


def squares_of_blocks(given, bound, unit):
    blocks, lanes = given
    squares = 0.0
    for block in blocks:
        g = block[1]
        squares += squares_of(g, bound, unit, lanes[: (g.size + CHUNK - 1) // CHUNK])
    return squares


norm_of_blocks = link(norm_of, squares_of=squares_of_blocks)
