"""The compiled epoch: the loop of loops/epoch.py, bound to a rule and to a loss."""

from typing import NamedTuple

from numba import types

from . import addresses
from .bind import compiled, link
from .loops import step as templates
from .loops.epoch import clipped, epoch, gathered, step, unclipped, whole
from .modifiers import staged


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
    bound_step = link(
        step,
        sweep=link(templates.sweep, elements=link(templates.elements, update=bound_rule.update)),
        coefficients=bound_rule.coefficients,
        with_factor=clipped if flags.clips else unclipped,
        CHECKS=flags.checks,
        SKIPS=flags.skips,
        CLIPS=flags.clips,
    )
    template = link(
        epoch,
        call_loss=addresses.by_address(loss_returns),
        batch_of=gathered if flags.gathers else whole,
        step=bound_step,
        ACCUMULATES=flags.accumulates,
        MEAN=flags.mean,
    )
    integers = types.Array(types.int64, 1, "C")
    floats, rows, tables = (types.Array(types.float64, ndim, "C") for ndim in (1, 2, 3))
    like = types.UniTuple(types.float64, len(rule.hyper) + 3 * flags.stage)
    limits = types.UniTuple(types.int64, 5)
    arguments = [types.int64, params, grads, data, scratch, integers, blocks, memory, memory, tables, like, rows]
    arguments += [limits, floats, integers]
    return compiled(template, f"{rule.name}_epoch", types.void(*arguments), besides=str(loss_returns))
