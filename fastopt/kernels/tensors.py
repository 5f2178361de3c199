"""Steps of many tensors at once: a rule bound into the loops over a table of them."""

from functools import cache

import numpy as np
from numba import types

from .bind import address_in_c, compiled, link
from .cpu import elements, refused_by_compiler
from .loops import tensors as templates
from .loops.tensors import NOTED
from .memory import arrays_of, floats_of
from .modifiers import staged


def without_own(own, h):
    return h


def with_own(own, h):
    return (own, *h)


def unchanged(t, own, h):
    return own


def advance(t, own, h):
    return advanced(t, own, *h)


def advanced(t, own, *h):
    """What is bound here makes a tensor's own number that after step t."""
    return own


@cache
def kernel(rule, dtype, *, parallel=False, stage=False, own=None):
    """The compiled step: ``(table, rows, width, h, total)``, and ``chunks`` behind them if parallel.

    The table is that of loops/tensors.py, by its address; ``h`` are the hyperparameters as floats, then, if staged,
    those of the stage. ``own`` makes of a tensor's own number, which is the first hyperparameter then, and not in
    ``h``, the next one.
    """
    bound = Bound(rule, dtype, stage, own)
    step = link(templates.parallel if parallel else templates.serial, part=bound.part, count=bound.count)
    more = (types.int64,) * parallel
    return bound.compiled(step, "parallel" if parallel else "serial", types.void, *more, parallel=parallel)


@cache
def team(rule, dtype, *, stage=False, own=None):
    """The compiled step by a team of threads: ``(table, rows, width, h, total, work, start, share, threads)``, the
    address of ``share``, and how many words of ``work`` there must be."""
    bound = Bound(rule, dtype, stage, own)
    share = link(templates.share, part=bound.part, floats=floats_of(bound.numbers))
    step = link(templates.team, count=bound.count)
    one = bound.compiled(share, "share", types.int64, alone=True)
    many = bound.compiled(step, "team", types.void, *(types.int64,) * 4)
    return many, address_in_c(one), NOTED + bound.numbers


class Bound:
    """A rule in what all these loops consist of."""

    def __init__(self, rule, dtype, stage, own):
        self.rule, self.dtype = staged(rule) if stage else rule, np.dtype(dtype)
        self.numbers = len(self.rule.hyper) - bool(own)
        self.part = link(
            templates.part,
            arrays=arrays_of(self.dtype, 2 + len(rule.state)),
            elements=elements(self.rule),
            coefficients=self.rule.coefficients,
            numbers=with_own if own else without_own,
        )
        self.count = link(templates.count, following=link(advance, advanced=own) if own else unchanged)

    def compiled(self, function, name, returns, *more, alone=False, parallel=False):
        arguments = *(types.int64,) * 3, types.UniTuple(types.float64, self.numbers), types.int64, *more
        signature = returns(types.int64) if alone else returns(*arguments)
        name = f"{self.rule.name}_{self.dtype}_tensors_{name}"
        with refused_by_compiler(self.rule, self.dtype):
            return compiled(function, name, signature, parallel=parallel, for_c=alone)
