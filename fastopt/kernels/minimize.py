"""The loops of loops/minimize.py, bound to a rule and to a kind of objective."""

from functools import cache
from typing import NamedTuple

from numba import types

from ..linking import link, link_read, stand_in
from . import cpu, sums
from .asked import blaming
from .bind import compiled, jitted
from .loops import minimize as loop
from .loops import objective
from .loops.minimize import KEPT, evaluate  # by name: through its module the digest would see the loop, unbound
from .loops.rows import store, take
from .loops.step import coefficients, elements
from .modifiers import BOUND, HYPER, rescaled, staged
from .norms import clip_factor, norm, norm_of_one, workspace
from .subnormals import flush_off, flush_on
from .tuples import cast_like

FORMS = {
    "inplace": objective.inplace,
    True: objective.pair,
    "jac": objective.separate,
    "2-point": objective.two_point,
    "3-point": objective.three_point,
    "cs": objective.complex_step,
}


class Flags(NamedTuple):
    """What is compiled into a loop, or left out."""

    reads_value: bool
    bounded: bool
    keeps_best: bool
    stage: bool
    clips_norm: bool
    scheduled: bool
    scaled: bool = False


# Where the row of numbers that coefficients are made from comes from: the same for all steps (kept in registers, so
# that what depends on it alone is computed once), or a table's.


def constant(table, like, nit, first):
    return like


def scheduled(table, like, nit, first):
    return take(table, min(nit - first, table.shape[0] - 1), like)


@stand_in
def row(table, like, nit, first):
    """Stands for one of these."""


def from_hyper(table, like, nit, first, x):
    """Coefficients of step nit + 1 from the hyperparameters."""
    return cast_like(coefficients(nit + 1, *row(table, like, nit, first)), x)


def from_hyper_and_norm(table, like, nit, first, x):
    """The same where the last number is the norm to clip to."""
    return cast_like(coefficients(nit + 1, *row(table, like, nit, first)[:-1]), x)


def from_coefficients(table, like, nit, first, x):
    """The coefficients are the row."""
    return cast_like(take(table, nit - first, like), x)


def unclipped(table, like, nit, first, x, g, c):
    return c


def clipped(table, like, nit, first, x, g, c):
    """The coefficients again, with the factor of ``clip_norm`` in the stage's scale."""
    return cast_like(coefficients(nit + 1, *with_factor(row(table, like, nit, first), g)), x)


def with_factor(row, g):
    """A row whose last number is the norm to clip to, as hyperparameters of the staged rule."""
    h = row[:-1]
    return rescaled(h, clip_factor(norm_of_one(g, h[BOUND]), row[-1]))


def advance(x, g, state, c, numbers):
    elements(x, g, state, c)


@stand_in
def advance_told(x, g, state, c, kept):
    """Stands for the step of a rule with sums (loops/sums.py)."""


def advance_by_sums(x, g, state, c, numbers):
    advance_told(x, g, state, c, numbers[KEPT:])


def advance_of(rule):
    """The rule's step, in a loop."""
    if rule.reduces:
        return link(advance_by_sums, advance_told=sums.linked(rule)["advance"])
    return link(advance, elements=cpu.elements(rule))


def evaluation(form, call_fun, call_jac, reads_value, lent=objective.read_only):
    return link_read(FORMS[form], call_fun=call_fun, call_jac=call_jac, lent=lent, READS_VALUE=reads_value)


def parts_of(flags):
    """What the flags compile into the loop."""
    return {
        "READS_VALUE": flags.reads_value,
        "BOUNDED": flags.bounded,
        "KEEPS_BEST": flags.keeps_best,
        "SCALED": flags.scaled,
    }


def columns(rule, flags, many):
    """How many numbers a row of the loop's table has, and whether they are coefficients (or hyperparameters)."""
    bound_rule = staged(rule) if flags.stage else rule
    if not many or flags.clips_norm:
        return len(bound_rule.hyper) + flags.clips_norm, False
    return bound_rule.width, True


@cache
def steps(rule, flags, coefficients_given):
    """What a loop does with the gradient: the same functions for all objectives, so that they are compiled once."""
    bound_rule = staged(rule) if flags.stage else rule
    from_table = from_coefficients if coefficients_given else from_hyper_and_norm if flags.clips_norm else from_hyper
    names = {"coefficients": bound_rule.coefficients, "row": scheduled if flags.scheduled else constant}
    return {
        "prepare": link_read(from_table, **names),
        "advance": advance_of(bound_rule),
        "after_gradient": link(clipped, **names) if flags.clips_norm else unclipped,
    }


def kernel(rule, evaluate, flags, x, args, *, what="", cached=True):
    """The compiled loop of a rule around an evaluation.

    ``x`` and ``args`` are Numba types. ``what`` tells evaluations apart that the digest cannot.
    """
    width, coefficients_given = columns(rule, flags, many=False)
    template = link(loop.loop, evaluate=evaluate, **steps(rule, flags, coefficients_given), **parts_of(flags))
    numbers, counts = (types.Array(kind, 1, "C") for kind in (types.float64, types.int64))
    problem = types.Tuple((x, x, x, x, types.UniTuple(x, len(rule.state)), numbers, counts))
    course = types.Tuple((TABLE, types.UniTuple(types.float64, width), NUMBERS, LIMIT))
    signature = types.void(of_objective(x, args), problem, course)
    with blaming(rule):
        return compiled(template, f"{rule.name}_loop", signature, cached=cached, besides=what)


# --- the Numba types of what loops/minimize.py describes ---------------------------------------------------------

NUMBERS, TABLE = types.Array(types.float64, 1, "C"), types.Array(types.float64, 2, "C")
LIMIT = types.UniTuple(types.int64, 6)


def of_objective(x, args):
    return types.Tuple((types.int64, types.int64, args, x, x, x))


def evaluation_kernel(evaluate, x, args, *, what=""):
    """The compiled evaluation alone."""
    return compiled(link(once, evaluate=evaluate), "once", types.float64(of_objective(x, args), x, x), besides=what)


def once(objective, x, g):
    fun, jac, args, low, high, _ = objective
    control = flush_on()
    f = evaluate(fun, jac, x, g, args, low, high)
    flush_off(control)
    return f


def interpreted_once(evaluate):
    return link(once, evaluate=evaluate)


@cache
def table_kernel(rule, stage):
    """Fills a table with the coefficients of the steps after ``first``, a row each."""
    template = link(fill, coefficients=(staged(rule) if stage else rule).coefficients)
    table = types.Array(types.float64, 2, "C")
    like = types.UniTuple(types.float64, len(rule.hyper) + len(HYPER) * stage)
    with blaming(rule):
        return compiled(template, f"{rule.name}_table_{stage}", types.void(table, like, types.int64, table))


def fill(table, like, first, out):
    for k in range(out.shape[0]):
        store(out, k, coefficients(first + k + 1, *take(table, min(k, table.shape[0] - 1), like)))


def interpreted(rule, form, fun, jac, flags, dtype):
    """The same loop for Python functions: interpreted, with the compiled step of the rule."""
    bound_rule = staged(rule) if flags.stage else rule
    step = cpu.kernel(rule, dtype, stage=flags.stage)
    source = scheduled if flags.scheduled else constant
    with_norm = link(with_factor, norm_of_one=lambda g, bound: norm([g], workspace(g.size), bound))

    def prepare(table, like, nit, first, x):
        h = source(table, like, nit, first)
        return nit + 1, h[:-1] if flags.clips_norm else h

    def after_gradient(table, like, nit, first, x, g, c):
        return (nit + 1, with_norm(source(table, like, nit, first), g)) if flags.clips_norm else c

    def advance_by_calls(x, g, state, c, numbers):
        t, h = c
        if rule.reduces:
            extra, numbers[KEPT:] = sums.extra_of(bound_rule, (x, g, state), t, h, numbers[KEPT:])
            h += extra
        step(x, g, state, 0, t, h)

    names = ("copy", "project", "moved", "largest_projected", "to_scale", "scaled_back")
    helpers = {name: jitted(getattr(loop, name)) for name in names}
    return link(
        loop.loop,
        evaluate=python_evaluation(form, fun, jac, flags.reads_value),
        prepare=prepare,
        advance=advance_by_calls,
        after_gradient=after_gradient,
        **parts_of(flags),
        **helpers,
    )


def python_evaluation(form, fun, jac, reads_value):
    """The evaluation of Python functions, which are given a copy of x to keep."""

    def caller(function):
        return lambda _, arguments: function(arguments[0].copy(), *arguments[1:])

    return evaluation(form, caller(fun), caller(jac), reads_value)
