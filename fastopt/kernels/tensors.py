"""Steps of many tensors at once: a rule bound into the loops over a table of them."""

from functools import cache

import numpy as np
from numba import types

from .bind import compiled, link
from .cpu import elements, refused_by_compiler
from .loops import tensors as templates
from .memory import arrays_of
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
    those of the stage.
    ``own`` makes of a tensor's own number, which is the first hyperparameter then, and not in ``h``, the next one.
    """
    bound = staged(rule) if stage else rule
    part = link(
        templates.part,
        arrays=arrays_of(np.dtype(dtype), 2 + len(rule.state)),
        elements=elements(bound),
        coefficients=bound.coefficients,
        numbers=with_own if own else without_own,
    )
    count = link(templates.count, following=link(advance, advanced=own) if own else unchanged)
    step = link(templates.parallel if parallel else templates.serial, part=part, count=count)
    arguments = (
        *(types.int64,) * 3,
        types.UniTuple(types.float64, len(bound.hyper) - bool(own)),
        types.int64,
    )
    name = f"{bound.name}_{dtype}_tensors_{'parallel' if parallel else 'serial'}"
    with refused_by_compiler(rule, dtype):
        return compiled(step, name, types.void(*arguments, *(types.int64,) * parallel), parallel=parallel)
