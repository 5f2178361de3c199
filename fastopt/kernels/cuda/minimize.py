"""The kernels of ``minimize_many`` on CUDA: loops/minimize.py in a thread per problem, bound to rule and objective."""

from functools import cache, lru_cache

import numba
from numba import types
from numba.np.numpy_support import as_dtype

from ...linking import both, each, join, link, link_read
from .. import minimize as looped
from .. import norms
from ..loops import minimize as loop
from ..loops import objective, vectors
from ..loops import step as templates
from ..modifiers import staged
from ..narrow import check
from . import gpu
from .bind import bound
from .loops import minimize as loops
from .loops import tuples
from .sums import of_one_problem

THREADS = min(64, gpu.THREADS)  # of a block: problems are few and long, and small blocks spread over more of the card
INDEX = types.UniTuple(types.int64, 2)


def matrix(scalar):
    return types.Array(scalar, 2, "F")


def vector(scalar):
    return types.Array(scalar, 1, "C")


def evaluation(form, function, reads_value, size):
    """The objective as ``evaluate`` of loops/minimize.py; ``function`` is compiled for the device. In the form
    "forward" it is for x of this size."""
    if form == "forward":
        from .forward import value_and_grad

        form, function = "inplace", value_and_grad(function, size)
    call = link(objective.direct, function=function)
    return looped.evaluation(form, call, call, reads_value, loops.as_it_is)


def is_kept(function) -> bool:
    """A closure may be made anew with other numbers again and again; its kernels would fill the disk."""
    return not getattr(function, "py_func", function).__closure__


def rows(count):
    return each(tuples.read, join, 0, count)


def bound_loop(rule, form, function, flags, size):
    """The loop of one problem, for the device."""
    bound_rule = staged(rule) if flags.stage else rule
    width, coefficients_given = looped.columns(rule, flags, True)
    take = each(loops.take, join, 0, width)
    names = {
        "coefficients": bound_rule.coefficients,
        "row": link(looped.scheduled, take=take),
        "take": take,
        "cast_like": each(loops.cast_like, join, 0, bound_rule.width),
        "with_factor": link(looped.with_factor, norm_of_one=link(norms.norm_of, squares_of=loops.squares_of)),
    }
    elements = link(
        templates.elements,
        update=bound_rule.update,
        at=rows(len(rule.state)),
        put=each(loops.put, both, 0, len(rule.state)),
    )
    prepare = looped.from_coefficients if coefficients_given else looped.from_hyper_and_norm
    return link(
        loop.loop,
        evaluate=evaluation(form, function, flags.reads_value, size),
        prepare=link_read(prepare, **names),
        advance=of_one_problem(bound_rule, elements) if rule.reduces else link(looped.advance, elements=elements),
        after_gradient=link_read(looped.clipped, **names) if flags.clips_norm else looped.unclipped,
        largest=vectors.largest_one_by_one,
        flush_on=loops.keep_control,
        flush_off=loops.keep_control,
        is_over=loops.never,
        **looped.parts_of(flags),
    )


@lru_cache(maxsize=64)
def loop_kernel(rule, form, function, flags, scalar, args, shared, size=None) -> gpu.Kernel:
    """``(args, shared, problems, course, part, running)``: see loops/minimize.py; a course here has no ``like``.

    ``scalar`` is the Numba type of X's elements, ``args`` and ``shared`` are Numba types of tuples; ``size`` is that of
    x, for the form "forward".
    """
    check(staged(rule) if flags.stage else rule, as_dtype(scalar))
    one = bound_loop(rule, form, function, flags, size)
    kernel = bound(loops.many, rows=rows(len(args)), of_state=rows(len(rule.state)), one=one)
    xs, numbers, counts = matrix(scalar), matrix(types.float64), matrix(types.int64)
    state = types.UniTuple(xs, len(rule.state))
    table = types.Array(types.float64, 2, "C")
    problems = types.Tuple((xs, xs, xs, xs, state, numbers, counts))
    course = types.Tuple((table, vector(types.float64), types.UniTuple(types.int64, 4)))
    running = vector(types.int64)
    return gpu.Kernel(kernel, args, shared, problems, course, INDEX, running, cached=is_kept(function))


@lru_cache(maxsize=64)
def evaluation_kernel(form, function, scalar, args, shared, size=None) -> gpu.Kernel:
    """``(args, shared, X, G, tests, numbers, counts, part)``"""
    kernel = bound(loops.evaluate_many, rows=rows(len(args)), evaluate=evaluation(form, function, True, size))
    xs = matrix(scalar)
    tests, numbers, counts = vector(types.float64), matrix(types.float64), matrix(types.int64)
    return gpu.Kernel(kernel, args, shared, xs, xs, tests, numbers, counts, INDEX, cached=is_kept(function))


@cache
def transfer(dtype, source, target) -> gpu.Kernel:
    """``(source, target)``, matrices of these orders."""
    scalar = numba.from_dtype(dtype)
    return gpu.Kernel(bound(loops.transfer), types.Array(scalar, 2, source), types.Array(scalar, 2, target))
