"""Functions of users' that would make float64 of float32: refused, with the line and the number that does it."""

import math
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from refusals import refuse

import fastopt
from fastopt.kernels import narrow
from fastopt.rules import ALL_RULES

HALF, TABLE = 0.5, np.array([1.0, 0.5])
NARROW = np.float32(0.5)


def coefficients(t, lr):
    return lr, 0.0


def ruled(update):
    return fastopt.Rule(name="mine", update=update, coefficients=coefficients, hyper={"lr": 0.5})


def helped(g):
    h = g * g
    return h - 3.0 * g


@njit
def jitted(g):
    return g * 2


def literal(p, g, lr, zero):
    p = p - lr * g
    return (p * 0.5,)  # here


def whole_number(p, g, lr, zero):
    return (p - (1 - lr) * g,)  # here


def by_a_global(p, g, lr, zero):
    return (p - lr * HALF * g,)  # here


def by_an_array(p, g, lr, zero):
    return (p - lr * TABLE[1] * g,)  # here


def of_two_ways(p, g, lr, zero):
    if g > 2.5:
        m = g
    else:
        m = 1.25  # here
    return (p - lr * m,)


def at_once(p, g, lr, zero):
    return (p if g > zero else 0.25,)  # here


def summed(p, g, lr, zero):
    s = 0.0  # here
    for _ in range(2):
        s += g
    return (p - lr * s,)


def in_a_helper(p, g, lr, zero):
    return (p - lr * helped(g),)


def in_numbas(p, g, lr, zero):
    return (p - lr * jitted(g),)


def around(p, g, lr, zero):
    s = np.float64(g)
    while s > zero:
        s = s - g
    return (p - s,)


def by_a_call(p, g, lr, zero):
    return (p - lr * np.float64(g),)  # here


def halved(p, g):
    return 0.5 * g


def half_way(p, new, g):
    return p + HALF * (new - p)


WIDE = [
    (literal, "literal", "0.5", "return (p * 0.5,) # here"),
    (whole_number, "whole_number", "1", "return (p - (1 - lr) * g,) # here"),
    (by_a_global, "by_a_global", "HALF", "return (p - lr * HALF * g,) # here"),
    (by_an_array, "by_an_array", "TABLE[...]", "return (p - lr * TABLE[1] * g,) # here"),
    (of_two_ways, "of_two_ways", "1.25", "m = 1.25 # here"),
    (at_once, "at_once", "0.25", "return (p if g > zero else 0.25,) # here"),
    (summed, "summed", "0.0", "s = 0.0 # here"),
    (in_a_helper, "helped", "3.0", "return h - 3.0 * g"),
    (in_numbas, "jitted", "2", "return g * 2"),
]


def line_of(text):
    lines = [" ".join(line.split()) for line in Path(__file__).read_text().splitlines()]
    return lines.index(text) + 1


@pytest.mark.parametrize(("update", "function", "number", "line"), WIDE, ids=lambda x: getattr(x, "__name__", ""))
def test_the_line_that_makes_float64(update, function, number, line):
    said = f"{function} of rule 'mine' must keep float32 arrays in float32, got float64 by the number {number} in "
    where = f"`{line}` (test_narrow.py:{line_of(line)}): hand it in as a coefficient"
    assert refuse(lambda: fastopt.Optimizer(np.ones(3, "f4"), ruled(update)), TypeError) == said + where


def test_what_no_number_does():
    message = refuse(lambda: fastopt.Optimizer(np.ones(3, "f4"), ruled(by_a_call)), TypeError)
    assert "got float64 in `return (p - lr * np.float64(g),) # here` (" in message
    message = refuse(lambda: fastopt.Optimizer(np.ones(3, "f4"), ruled(around)), TypeError)
    assert "got float64 in `s = np.float64(g)` (" in message


@pytest.mark.parametrize(("options", "function"), [({"before": halved}, "halved"), ({"after": half_way}, "half_way")])
def test_functions_around_a_rule_of_ours(options, function):
    number = {"halved": "0.5", "half_way": "HALF"}[function]
    message = refuse(lambda: fastopt.SGD(np.ones(3, "f4"), **options), TypeError)
    assert message.startswith(f"{function} of rule 'sgd' must keep float32 arrays in float32, got float64 by ")
    assert message.endswith(f": write numpy.float32({number})")


def test_what_keeps_to_float32():
    def update(p, g, lr, zero):
        m = max(g, zero) ** 3 - NARROW * g * np.float32(2.0) + math.sqrt(abs(g))
        return (p - lr * m if g > 0.0 else p,)

    opt = fastopt.Optimizer(np.ones(3, "f4"), ruled(update))
    opt.step(np.array([4.0, 1.0, -1.0], "f4"))
    np.testing.assert_array_equal(opt.params, np.array([-30.0, 0.5, 1.0]))


def test_float64_arrays_take_any_number():
    opt = fastopt.Optimizer(np.ones(3), ruled(in_a_helper), before=halved, after=half_way)
    opt.step(np.full(3, 4.0))
    np.testing.assert_array_equal(opt.params, 1.5)


def bowl(x, grad):
    grad[:] = x
    return (x * x).sum()


def test_wherever_a_rule_goes():
    x0, many, rule = np.ones(3, "f4"), np.ones((4, 3), "f4"), ruled(literal)
    compiled, step = njit(bowl), fastopt.jit.step(rule)
    run = njit(lambda x, g: step(x, g, 1, 0.5))
    ways = [
        lambda: fastopt.minimize(bowl, x0, jac="inplace", method=rule),
        lambda: fastopt.minimize(compiled, x0, jac="inplace", method=rule),
        lambda: fastopt.minimize_many(compiled, many, jac="inplace", method=rule),
        lambda: fastopt.minimize_many(compiled, many, jac="inplace", method="sgd", options={"before": halved}),
        lambda: run(x0, x0.copy()),
        lambda: narrow.check(rule, np.dtype("f4")),  # on CUDA
    ]
    for way in ways:
        refuse(way, TypeError, "float64 by the number 0.5", unchanged=[x0, many])
    narrow.check(rule, np.dtype("f8"))


def test_rules_of_ours_are_not_asked():
    assert [rule.name for rule in ALL_RULES if narrow.update_of(rule) is not rule.update] == []
    assert narrow.update_of(ruled(literal)) is not literal
