"""Steps of many tensors at once: a rule bound into the loops over a table of them."""

from functools import cache

import numpy as np
from numba import types

from ..linking import link
from .bind import address_in_c, compiled
from .cpu import elements, refused_by_compiler
from .loops import tensors as templates
from .loops.tensors import NOTED
from .memory import arrays_of, floats_of
from .modifiers import staged

# By how many numbers of a tensor's own a rule takes: what its coefficients are given, and the numbers after step t.


def none(own, h):
    return h


def one(own, h):
    return (own[0], *h)


def two(own, h):
    return (*own, *h)


def keep(t, own, h):
    return own


def advance_one(t, own, h):
    return advanced(t, own[0], *h)[0], own[1]


def advance_two(t, own, h):
    return advanced(t, *own, *h)


def advanced(t, *own_and_h):
    """What is bound here makes of a tensor's own numbers the tuple of those after step t."""
    return own_and_h


NUMBERS, FOLLOWING = (none, one, two), (keep, advance_one, advance_two)


@cache
def kernel(rule, dtype, *, parallel=False, stage=False, own=0, following=None):
    """The compiled step: ``(table, rows, width, h, total)``, and ``chunks`` behind them if parallel.

    The table is that of loops/tensors.py, by its address; ``h`` are the hyperparameters as floats, then, if staged,
    those of the stage. ``own``: how many numbers of its own each tensor has, which are the first hyperparameters then,
    and not in ``h``; ``following`` makes of them the next ones.
    """
    bound = Bound(rule, dtype, stage, own, following)
    step = link(templates.parallel if parallel else templates.serial, part=bound.part, count=bound.count)
    more = (types.int64,) * parallel
    return bound.compiled(step, "parallel" if parallel else "serial", types.void, *more, parallel=parallel)


@cache
def team(rule, dtype, *, stage=False, own=0, following=None):
    """The compiled step by a team of threads: ``(table, rows, width, h, total, work, start, share, threads)``, the
    address of ``share``, and how many words of ``work`` there must be."""
    bound = Bound(rule, dtype, stage, own, following)
    share = link(templates.share, part=bound.part, floats=floats_of(bound.numbers))
    step = link(templates.team, count=bound.count)
    part = bound.compiled(share, "share", types.int64, alone=True)
    many = bound.compiled(step, "team", types.void, *(types.int64,) * 4)
    return many, address_in_c(part), NOTED + bound.numbers


class Bound:
    """A rule in what all these loops consist of."""

    def __init__(self, rule, dtype, stage, own, following):
        self.rule, self.dtype = staged(rule) if stage else rule, np.dtype(dtype)
        self.numbers = len(self.rule.hyper) - own
        self.part = link(
            templates.part,
            arrays=arrays_of(self.dtype, 2 + len(rule.state)),
            elements=elements(self.rule),
            coefficients=self.rule.coefficients,
            numbers=NUMBERS[own],
        )
        step = FOLLOWING[own]
        self.count = link(templates.count, following=link(step, advanced=following) if own else step)

    def compiled(self, function, name, returns, *more, alone=False, parallel=False):
        arguments = *(types.int64,) * 3, types.UniTuple(types.float64, self.numbers), types.int64, *more
        signature = returns(types.int64) if alone else returns(*arguments)
        name = f"{self.rule.name}_{self.dtype}_tensors_{name}"
        with refused_by_compiler(self.rule, self.dtype):
            return compiled(function, name, signature, parallel=parallel, for_c=alone)
