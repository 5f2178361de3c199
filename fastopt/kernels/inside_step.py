"""One step of a rule inside users' compiled code: what the functions of ``fastopt.jit`` call."""

import numpy as np

from ..linking import UNBOUND, link, link_read, stand_in
from . import cpu, sums
from .inside import all_of_size, check_kept, flat, flat_like
from .loops.step import coefficients, sweep
from .loops.sums import advance
from .stamp import mark_of
from .subnormals import flush_off, flush_on
from .tuples import cast_like

KEEPS = UNBOUND  # how many numbers a rule with sums keeps


@stand_in
def step_of(x, g, state, c, *kept):
    """Stands for one of the three below."""


@stand_in
def mark():
    """Stands for the stamp of a rule."""


def run_of(rule):
    """``run(x, g, state, t, h)``, and behind it the kept numbers of a rule that keeps some."""
    mark = mark_of(rule.update, rule.coefficients, *rule.reduces.values(), *filter(None, [rule.combine]))
    if rule.reduces:
        template = by_sums_and_kept if rule.keeps else by_sums
        made = link_read(template, advance=sums.linked(rule)["advance"], KEEPS=len(rule.keeps))
    else:
        made = link(alone, sweep=cpu.sweep(rule))
    return link(run, step_of=made, coefficients=rule.coefficients, mark=mark)


def run(x, g, state, t, h, *kept):
    g, state = flat_like(x, (g,))[0], flat_like(x, state)
    x = flat(x)
    if g.size != x.size:
        raise ValueError("g must have the size of x")
    if not all_of_size(state, x.size):
        raise ValueError("the state arrays must have the size of x")
    mark()
    step_of(x, g, state, cast_like(coefficients(t, *h), x), *kept)


def alone(x, g, state, c):
    sweep(x, g, state, c)


def by_sums(x, g, state, c):
    control = flush_on()
    advance(x, g, state, c, np.empty(0))
    flush_off(control)


def by_sums_and_kept(x, g, state, c, kept):
    check_kept(kept)
    if kept.size != KEEPS:
        raise ValueError("kept must have one number for each that the rule keeps")
    control = flush_on()
    advance(x, g, state, c, kept)
    flush_off(control)
