"""The kernels of rules with sums on CUDA: loops/sums.py, bound to a rule."""

from functools import cache

import numpy as np
from numba import types

from ...linking import both, each, join, joined, link, link_read
from ..modifiers import staged
from . import gpu
from .bind import bound
from .kernels import compiled, pointer_to
from .loops import minimize as of_problems
from .loops import norms, step, sums, tuples

AT_A_TIME = 3  # sums, in one launch

FLOATS = pointer_to(np.float64)


def rounds(rule) -> int:
    """How many launches sum for a rule."""
    return -(-len(rule.reduces) // AT_A_TIME)


def there(rule, dtype, scaled):
    """The Numba type of where coefficients are: in memory, with the factor of ``clip_norm`` perhaps."""
    return types.Tuple([pointer_to(dtype)] * (1 + scaled))


def reader(rule, scaled):
    """The function of loops/step.py that reads them."""
    return link_read(step.held_scaled if scaled else step.held, take=each(tuples.take, join, 0, rule.width))


def wide(count):
    return each(sums.one_wide, join, 0, count)


@cache
def note(rule, dtype, *, stage=False) -> gpu.Kernel:
    """``(memory, coefficients)``"""
    rule = staged(rule) if stage else rule
    function = bound(sums.note, put=each(tuples.put, both, 0, rule.width))
    return compiled(rule, dtype, function, pointer_to(dtype), types.UniTuple(types.float64, rule.width))


@cache
def add(rule, dtype, which, *, stage=False, scaled=False) -> gpu.Kernel:
    """``((p, g, state, kept, there), n, partials)``: the first pass of some sums."""
    rule = staged(rule) if stage else rule
    functions = [*rule.reduces.values()][which * AT_A_TIME : (which + 1) * AT_A_TIME]
    term, second, third = functions + [sums.no_term] * (AT_A_TIME - len(functions))
    state = len(rule.state)
    terms = link(
        sums.terms,
        term=term,
        second=second,
        third=third,
        prepare=reader(rule, scaled),
        wide=wide(2 + state + rule.width),
        read=each(tuples.read, join, 0, state),
        take=each(tuples.take, join, 0, len(rule.keeps)),
    )
    function = bound(norms.total, terms=terms, finish=norms.keep)
    pointer = pointer_to(dtype)
    given = pointer, pointer, types.UniTuple(pointer, state), FLOATS, there(rule, dtype, scaled)
    return compiled(rule, dtype, function, types.Tuple(given), types.int64, FLOATS)


@cache
def total() -> gpu.Kernel:
    """``(partials, n, sums)``: the second pass, in one block."""
    return gpu.Kernel(bound(norms.total, terms=norms.sums, finish=norms.keep), FLOATS, types.int64, FLOATS)


@cache
def conclude(rule, dtype, *, stage=False, scaled=False) -> gpu.Kernel:
    """``(there, sums, kept, extra32, extra64)``"""
    rule = staged(rule) if stage else rule
    keeps = len(rule.keeps)
    function = bound(
        sums.conclude,
        combine=rule.combine,
        prepare=reader(rule, scaled),
        wide=wide(rule.width),
        of_sums=each(tuples.take, join, 0, len(rule.reduces)),
        take=each(tuples.take, join, 0, keeps),
        put=each(tuples.put, both, 0, keeps),
        put_extra=each(tuples.put, both, 0, rule.extra),
    )
    kinds = there(rule, dtype, scaled), FLOATS, FLOATS, pointer_to(np.float32), FLOATS
    return compiled(rule, dtype, function, *kinds)


def of_one_problem(rule, elements):
    """The rule's step in the loop of a problem."""
    state, keeps = len(rule.state), len(rule.keeps)
    shared = {"wide": wide(2 + state), "at": each(tuples.read, join, 0, state)}
    return link(
        sums.advance,
        combine=rule.combine,
        wide=wide(rule.width),
        sums_of=joined([link(sums.one_sum, term=f, **shared) for f in rule.reduces.values()], join),
        kept_of=each(sums.one_kept, join, 0, keeps),
        keep=each(sums.keep_one, both, 0, keeps),
        elements=elements,
        cast_like=each(of_problems.cast_like, join, 0, rule.extra),
    )
