"""What rules with sums take before their step: loops/sums.py, bound to a rule."""

from functools import cache

import numba
import numpy as np
from numba import types

from ..linking import both, each, join, joined, link
from . import cpu
from .bind import compiled
from .loops import sums as loops
from .modifiers import staged
from .threads import in_threads

PARALLEL_FROM = 1 << 17  # elements


@cache
def linked(rule) -> dict:
    """The functions of loops/sums.py, by name, with the rule bound in."""
    items = each(loops.item, join, 0, len(rule.keeps))
    add = joined([link(loops.add_one, AT=k, term=f) for k, f in enumerate(rule.reduces.values())], both)
    add_chunk = link(loops.add_chunk, add=add)
    serial, parallel = (link(loop, add_chunk=add_chunk) for loop in (loops.serial, loops.parallel))
    found = {
        "add_sums": link(loops.add_sums, serial=serial, items=items),
        "combined": link(
            loops.combined,
            combine=rule.combine,
            items=items,
            keep=each(loops.keep_item, both, 0, len(rule.keeps)),
            items_of_sums=each(loops.item, join, 0, len(rule.reduces)),
        ),
    }
    advance = link(loops.advance, **found, elements=cpu.elements(rule), SUMS=len(rule.reduces))
    return {"serial": serial, "parallel": parallel, "advance": advance, **found}


@cache
def step(rule, dtype, *, stage=False):
    """The serial step of an array by its own sums: ``(kept, p, g, state, counts, t, h) -> code``, as ``kernel`` of
    cpu.py."""
    rule = staged(rule) if stage else rule
    template = link(loops.step, coefficients=rule.coefficients, advance=linked(rule)["advance"])
    kept, hyper = types.Array(types.float64, 1, "C"), types.UniTuple(types.float64, len(rule.hyper))
    arguments = kept, *arrays_of(rule, dtype), types.int64, types.int64, hyper
    with cpu.refused_by_compiler(rule, dtype):
        return compiled(template, f"{rule.name}_step_{dtype}", types.int64(*arguments))


def arrays_of(rule, dtype) -> tuple:
    """The Numba types of parameters, gradient and state."""
    array, gradient = (types.Array(numba.from_dtype(dtype), 1, "C", readonly=readonly) for readonly in (False, True))
    return array, gradient, types.UniTuple(array, len(rule.state))


# --- of an optimiser's arrays, from Python ---------------------------------------------------------------------------


@cache
def kernel(rule, dtype, *, in_parallel=False):
    """``(p, g, state, numbers, sums)``, and the number of threads if parallel: adds to the sums those of an array."""
    numbers = types.UniTuple(types.float64, rule.width + len(rule.keeps))
    sums = types.Array(types.float64, 1, "C")
    arguments = *arrays_of(rule, dtype), numbers, sums
    form = "parallel" if in_parallel else "serial"
    with cpu.refused_by_compiler(rule, dtype):
        return compiled(
            linked(rule)[form],
            f"{rule.name}_sums_{dtype}_{form}",
            types.void(*arguments, *(types.int64,) * in_parallel),
            parallel=in_parallel,
        )


def add_sums(rule, arrays, c, kept, sums, threads):
    """Add to the sums those of a flat array with its gradient and its state."""
    p = arrays[0]
    given = *arrays, (*c, *kept), sums
    one = kernel(rule, p.dtype)
    if p.size < PARALLEL_FROM or threads == 1:
        one(*given)
        return
    many = kernel(rule, p.dtype, in_parallel=True)
    in_threads(lambda count: many(*given, count), lambda: one(*given), threads)


def coefficients_of(rule, dtype, t, h) -> tuple:
    """The rule's coefficients as kernels have them: numbers of the arrays' dtype."""
    return tuple(np.array(rule.coefficients(t, *h), dtype).tolist())


def extra_of(rule, arrays, t, h, kept) -> tuple[tuple, tuple]:
    """What a rule makes of the sums of one array alone, and what it keeps then."""
    c, sums = coefficients_of(rule, arrays[0].dtype, t, h), np.zeros(len(rule.reduces))
    kept = tuple(kept.tolist())
    add_sums(rule, arrays, c, kept, sums, threads=1)
    return rule.combine(c, tuple(sums.tolist()), kept)
