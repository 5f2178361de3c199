"""The kernels of ``minimize_many`` on CUDA: loop.py in a thread per problem, bound to a rule and to an objective."""

from functools import cache, lru_cache

import numba
from numba import types

from . import cuda, grid, grid_many, loop, looped, objective, templates
from .bind import link
from .stage import staged

THREADS = min(64, cuda.THREADS)  # of a block: problems are few and long, and small blocks spread over more of the card
INDEX = types.UniTuple(types.int64, 2)


def matrix(scalar):
    return types.Array(scalar, 2, "F")


def vector(scalar):
    return types.Array(scalar, 1, "C")


def evaluation(form, function, reads_value):
    """The objective as ``evaluate`` of loop.py; ``function`` is compiled for the device."""
    call = link(objective.direct, function=function)
    return link(objective_of(form), call_fun=call, call_jac=call, READS_VALUE=reads_value)


def is_kept(function) -> bool:
    """A closure may be made anew with other numbers again and again; its kernels would fill the disk."""
    return not getattr(function, "py_func", function).__closure__


def objective_of(form):
    return looped.FORMS[form]


def rows(count):
    return cuda.each(grid.read, grid.join, 0, count)


@lru_cache(maxsize=64)
def loop_kernel(rule, form, function, flags, scalar, args, shared) -> cuda.Kernel:
    """``(args, shared, X, G, old, best, state, table, tests, numbers, counts, limit, part, running)``

    ``scalar`` is the Numba type of X's elements, ``args`` and ``shared`` are Numba types of tuples.
    """
    bound_rule = staged(rule) if flags.stage else rule
    width, coefficients_given = looped.columns(rule, flags, True)

    def of_width(one):
        return cuda.each(one, grid.join, 0, width)

    table = link(grid_many.from_table, take=of_width(grid_many.take))
    count = len(bound_rule.coefficients(1, *map(float, bound_rule.hyper.values())))
    names = {
        "coefficients": bound_rule.coefficients,
        "row": table,
        "take": of_width(grid_many.take),
        "cast_like": cuda.each(grid_many.cast_like, grid.join, 0, count),
        "norm_of": grid_many.norm_of,
    }
    prepare = looped.from_coefficients if coefficients_given else looped.from_hyper_and_norm
    elements = link(
        templates.elements,
        update=bound_rule.update,
        at=rows(len(rule.state)),
        put=cuda.each(grid_many.put, grid.both, 0, len(rule.state)),
    )
    after = looped.unclipped
    if flags.clips_norm:
        names["with_factor"] = link(looped.with_factor, norm_of=grid_many.norm_of)
        after = link(looped.clipped, **names)
    one = link(
        loop.loop,
        evaluate=evaluation(form, function, flags.reads_value),
        prepare=link(prepare, **names),
        advance=link(looped.advance, elements=elements),
        after_gradient=after,
        largest=grid_many.largest,
        flush_on=grid_many.keep_control,
        flush_off=grid_many.keep_control,
        **looped.parts_of(flags),
    )
    kernel = cuda.bound(grid_many.many, rows=rows(len(args)), of_state=rows(len(rule.state)), one=one)
    xs, numbers, counts = matrix(scalar), matrix(types.float64), matrix(types.int64)
    state = types.UniTuple(xs, len(rule.state))
    hyper = types.Array(types.float64, 2, "C")
    return cuda.Kernel(
        kernel, args, shared, xs, xs, xs, xs, state, hyper, vector(types.float64), numbers, counts,
        types.UniTuple(types.int64, 4), INDEX, vector(types.int64), cached=is_kept(function),
    )  # fmt: skip


@lru_cache(maxsize=64)
def evaluation_kernel(form, function, scalar, args, shared) -> cuda.Kernel:
    """``(args, shared, X, G, tests, numbers, part)``"""
    kernel = cuda.bound(grid_many.evaluate_many, rows=rows(len(args)), evaluate=evaluation(form, function, True))
    xs = matrix(scalar)
    tests, numbers = vector(types.float64), matrix(types.float64)
    return cuda.Kernel(kernel, args, shared, xs, xs, tests, numbers, INDEX, cached=is_kept(function))


@cache
def transfer(dtype, source, target) -> cuda.Kernel:
    """``(source, target)``, matrices of these orders."""
    scalar = numba.from_dtype(dtype)
    return cuda.Kernel(cuda.bound(grid_many.transfer), types.Array(scalar, 2, source), types.Array(scalar, 2, target))
