"""The compiled epoch: the loop of loops/epoch.py, bound to a rule and to a loss."""

from typing import NamedTuple

from numba import types

from ..linking import link, link_read
from . import addresses, cpu, sums
from .asked import blaming
from .bind import compiled
from .loops import epoch as loop
from .modifiers import HYPER, rescaled, staged


class Flags(NamedTuple):
    """What is compiled into an epoch, or left out."""

    gathers: bool
    accumulates: bool
    mean: bool
    checks: bool
    skips: bool
    clips: bool
    stage: bool


def kernel(rule, flags, loss_returns, params, grads, data, scratch, blocks, memory):
    """The compiled epoch, for arguments of these Numba types."""
    bound_rule = staged(rule) if flags.stage else rule
    update = link(
        loop.update_blocks,
        step_blocks=steps_of(bound_rule, flags.clips),
        CHECKS=flags.checks,
        SKIPS=flags.skips,
        CLIPS=flags.clips,
    )
    evaluate = link(
        loop.evaluate_batch,
        call_loss=addresses.by_address(loss_returns),
        batch_of=loop.gathered if flags.gathers else loop.whole,
    )
    template = link(
        loop.epoch,
        evaluate=evaluate,
        is_written=loop.are_written,
        collect=loop.add_to_sums,
        finish=loop.take_sums,
        scale=loop.scale_gradient,
        update=update,
        ACCUMULATES=flags.accumulates,
        MEAN=flags.mean,
    )
    integers = types.Array(types.int64, 1, "C")
    floats, rows, tables = (types.Array(types.float64, ndim, "C") for ndim in (1, 2, 3))
    like = types.UniTuple(types.float64, len(rule.hyper) + len(HYPER) * flags.stage)
    bounds = types.Array(types.int64, 2, "C")
    batches = types.Tuple((types.int64, params, grads, memory, bounds, data, scratch))
    steps = types.Tuple((blocks, tables, like, rows, types.int64, types.int64))
    arguments = batches, types.UniTuple(memory, 2), steps, integers, types.UniTuple(types.int64, 6), floats, integers
    with blaming(rule):
        return compiled(template, f"{rule.name}_epoch", types.void(*arguments), besides=str(loss_returns))


def steps_of(rule, clips):
    """How the rule steps all blocks."""
    of_block = link(
        loop.coefficients_of,
        coefficients=rule.coefficients,
        with_factor=rescaled if clips else loop.unclipped,
    )
    template = loop.one_by_one
    bound = {"sweep": cpu.sweep(rule)}
    if rule.reduces:
        template = loop.all_by_their_sums if rule.across else loop.each_by_its_sums
        bound |= sums.linked(rule) | {"SUMS": len(rule.reduces)}
    return link_read(template, coefficients_of=of_block, **bound)


def interpreted(accumulates, mean, **functions):
    """The same loop, with functions of Python's."""
    return link(loop.epoch, ACCUMULATES=accumulates, MEAN=mean, **functions)
