"""Every argument of every constructor, and of every function of fastopt.jit, is explained for its rule."""

import inspect

import pytest
from stepping import name_of

import fastopt
from fastopt.rules import ALL_RULES, texts
from fastopt.rules.keywords import together
from fastopt.rules.table import spelt


def explained(function):
    """``(kind, text)`` of each argument in the section "Parameters"."""
    found = texts.entries(texts.sections(inspect.getdoc(function))["Parameters"])
    return {name: tuple(found[name].split("\n", 1)) for name in found}


@pytest.mark.parametrize("rule", fastopt.RULES, ids=name_of)
def test_a_constructor_explains_its_arguments(rule):
    make = getattr(fastopt, rule.label)
    found = explained(make)
    assert list(found) == list(inspect.signature(make).parameters)
    for name, (_, text) in found.items():
        assert len(text.split()) > 3, name


@pytest.mark.parametrize("rule", fastopt.RULES, ids=name_of)
def test_a_constructor_states_defaults_and_ranges(rule):
    make = getattr(fastopt, rule.label)
    parameters, found = inspect.signature(make).parameters, explained(make)
    ranges = {name for one in (rule, *rule.variants.values()) for name in one.ranges}
    pairs = together(rule.hyper)
    for name in parameters.keys() & (ranges | pairs.keys() | {"weight_decay"}):
        kind = found[name][0]
        assert f"default {spelt(parameters[name].default)}," in kind
        for one in pairs.get(name, [name]):
            assert texts.range_of(rule, one) in kind


@pytest.mark.parametrize("rule", ALL_RULES, ids=name_of)
def test_a_function_of_jit_explains_its_numbers(rule):
    found = explained(getattr(fastopt.jit, rule.name))
    for name in rule.hyper:
        assert len(found[name][1].split()) > 3, name


@pytest.mark.parametrize("rule", fastopt.RULES, ids=name_of)
def test_a_rule_opens_with_its_equation_and_says_who_agrees(rule):
    opening = texts.opening(rule)
    for line in rule.equation.split("; "):
        assert f"    {line}\n" in opening
    assert "Agrees: " in opening


def test_what_a_rule_says_itself_comes_before_what_is_common():
    adam, lion = (next(r for r in fastopt.RULES if r.name == name) for name in ("adam", "lion"))
    assert texts.meaning(adam, "beta1") == texts.indented(texts.MEANINGS["beta1"])
    assert "in the sign" in texts.meaning(lion, "beta1")
    assert texts.meaning(adam, "nothing") == ""


def test_meanings_stand_once():
    """No rule repeats what the table of meanings says."""
    for rule in fastopt.RULES:
        own = texts.entries(texts.sections(rule.doc)["Parameters"])
        for name, text in texts.MEANINGS.items():
            assert texts.indented(text) not in own.get(name, "")
