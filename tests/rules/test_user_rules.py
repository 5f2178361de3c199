"""Rules that users write around helper functions of their own."""

import numpy as np
import pytest

import fastopt


def real(g):
    """Named like an attribute that it reads."""
    return g.real


def halved(n):
    return n if n < 1 else halved(n - 1)


def plain(t, lr):
    return (lr,)


def with_real(p, g, lr):
    return (p - lr * real(g),)


def with_recursion(t, lr):
    return (lr * halved(2.5),)


def test_a_helper_named_like_an_attribute():
    rule = fastopt.Rule(name="real_gd", update=with_real, coefficients=plain, hyper={"lr": 0.5})
    x = np.ones(3)
    fastopt.Optimizer(x, rule).step(np.array([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(x, [0.5, 0.0, -1.0])


def test_a_helper_that_calls_itself():
    rule = fastopt.Rule(name="recursive", update=with_real, coefficients=with_recursion, hyper={"lr": 0.5})
    with pytest.raises(TypeError, match=r"^halved must not call itself"):
        fastopt.Optimizer(np.ones(3), rule)


# ---------------------------------------------------------------- where numbers may lie


def ranged(t, alpha, beta):
    return (alpha,)


def by_alpha(p, g, alpha):
    return (p - alpha * g,)


def rule_with(**ranges):
    hyper = {"alpha": 2.0, "beta": 0.5}
    return fastopt.Rule(name="ranged", update=by_alpha, coefficients=ranged, hyper=hyper, ranges=ranges)


def test_a_users_number_may_be_any_finite_one_whatever_its_name():
    opt = fastopt.Optimizer(np.ones(3), rule_with(), alpha=-7.0)
    opt.alpha = 1.0
    with pytest.raises(ValueError, match=r"^alpha must be finite, got nan$"):
        opt.alpha = np.nan
    with pytest.raises(ValueError, match=r"^weight_decay must be finite and at least 0, got -1$"):
        opt.weight_decay = -1


@pytest.mark.parametrize(
    ("text", "inside", "outside", "words"),
    [
        ("[0, 1)", [0, 0.999, np.float32(0.5)], [1, -1e-9, 2], "at least 0 and less than 1"),
        ("(0,inf)", [1e-300, 1e300], [0, -1], "finite and greater than 0"),
        ("[ -1 , 1 ]", [-1, 1], [1.01, -1.01, np.inf], "at least -1 and at most 1"),
        ("(-inf, 0.75]", [-1e9, 0.75], [1, -np.inf], "finite and at most 0.75"),
    ],
)
def test_a_rule_declares_where_its_numbers_may_lie(text, inside, outside, words):
    rule = rule_with(beta=text)
    for value in inside:
        assert fastopt.Optimizer(np.ones(3), rule, beta=value).beta == value
    for value in outside:
        with pytest.raises(ValueError, match=f"^beta must be {words}, got"):
            fastopt.Optimizer(np.ones(3), rule, beta=value)
    opt = fastopt.Optimizer(np.ones(3), rule, beta=lambda step: outside[0])
    with pytest.raises(ValueError, match=f"beta .a schedule, at step 0. must be {words}"):
        opt.step(np.ones(3))


@pytest.mark.parametrize("text", ["0, 1", "[1, 0]", "[0, 1, 2]", "[a, b]", "", None, (0, 1), "[nan, 1]", "[0; 1]"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match=r"^ranges\['beta'\] must be an interval like '\[0, 1\)'"):
        rule_with(beta=text)


def test_a_range_needs_a_number_and_the_default_in_it():
    with pytest.raises(ValueError, match=r"^ranges must name numbers of the rule, alpha, beta, got 'gamma'$"):
        rule_with(gamma="[0, 1)")
    with pytest.raises(ValueError, match=r"^alpha must be at least 0 and less than 1, got 2.0$"):
        rule_with(alpha="[0, 1)")


def test_every_number_of_the_rules_here_has_a_range():
    for rule in fastopt.rules.ALL_RULES:
        numbers = {name for name, default in rule.hyper.items() if not isinstance(default, bool)}
        assert rule.ranges.keys() == numbers | rule.initial.keys()
