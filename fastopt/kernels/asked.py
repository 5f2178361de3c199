"""Each function of a rule, compiled alone: to say of which a loop with all of them does not compile."""

from contextlib import contextmanager

import numpy as np
from numba import types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from ..linking import link, stand_in
from .bind import compiled
from .cpu import refused_by_compiler


@stand_in
def part(*args):
    """Stands for a function of a rule."""


def of_numbers(numbers):
    part(*numbers)


def of_tuples(c, sums, kept):
    part(c, sums, kept)


@contextmanager
def blaming(rule):
    """Where something with a rule in it does not compile, says in one sentence if that is because of the rule."""
    try:
        yield
    except (NumbaError, UnsupportedBytecodeError):
        check(rule)
        raise


def check(rule):
    """Raise TypeError unless each function of a rule compiles."""
    elements, keeps = 2 + len(rule.state) + rule.width, len(rule.keeps)
    _check(rule, of_numbers, rule.coefficients, 1 + len(rule.hyper))
    _check(rule, of_numbers, rule.update, elements + rule.extra)
    if rule.before:
        _check(rule, of_numbers, rule.before, 2)
    for function in rule.reduces.values():
        _check(rule, of_numbers, function, elements + keeps)
    if rule.reduces:
        _check(rule, of_tuples, rule.combine, rule.width, len(rule.reduces), keeps)


def _check(rule, template, function, *counts):
    kinds = [types.UniTuple(types.float64, count) if count else types.Tuple(()) for count in counts]
    with refused_by_compiler(rule, np.dtype(np.float64)):
        compiled(link(template, part=function), f"{rule.name}_asked", types.void(*kinds))
