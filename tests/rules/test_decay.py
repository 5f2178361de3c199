"""Decoupled decay around any rule; that built-in ones are decayed rightly, test_laws.py and the oracle say."""

import pytest
from stepping import name_of

import fastopt
from fastopt.kernels.digest import digest
from fastopt.kernels.stamp import _Stamp
from fastopt.rules import ALL_RULES
from fastopt.rules.decay import decayable, decoupled


def coefficients(t, scale, lr):
    return lr / t, scale


def update(p, g, m, rate, scale, pull):
    return p - rate * scale * g - pull * m, m + g


def size(p, g, m, rate, scale, kept):
    return p * p + scale * g + 100.0 * m + 1000.0 * rate + kept


def combine(c, sums, kept):
    return (sums[0] * c[1],), (kept[0] + sums[0],)


NORMED = fastopt.Rule(
    name="normed",
    update=update,
    coefficients=coefficients,
    state=("m",),
    hyper={"scale": 2.0, "lr": 0.5},
    reduces={"size": size},
    combine=combine,
    keeps=("total",),
    ranges={"scale": "(0, inf)"},
)


def test_sums_are_of_the_decayed_parameter_and_follow_the_factor():
    rule = decoupled(NORMED)
    assert rule.name == "normed_decoupled"
    assert (rule.width, rule.extra, rule.keeps) == (3, 1, ("total",))
    assert dict(rule.hyper) == {"scale": 2.0, "lr": 0.5, "weight_decay": 0.0}
    assert (0.0 in rule.ranges["weight_decay"], 0.0 in rule.ranges["scale"]) == (True, False)
    c = rule.coefficients(4, 2.0, 0.5, 0.2)
    assert c == (0.125, 2.0, 0.9)
    assert rule.reduces["size"](10.0, 3.0, 5.0, *c, 7.0) == size(9.0, 3.0, 5.0, 0.125, 2.0, 7.0)
    assert rule.combine(c, (3.0,), (7.0,)) == ((6.0,), (10.0,))
    assert rule.update(10.0, 3.0, 5.0, *c, 6.0) == update(9.0, 3.0, 5.0, 0.125, 2.0, 6.0)


def test_the_place_of_the_decay():
    rule = decoupled(NORMED, before="lr")
    assert list(rule.hyper) == ["scale", "weight_decay", "lr"]
    assert rule.coefficients(4, 2.0, 0.2, 0.5) == (0.125, 2.0, 0.9)


def test_variants_are_decayed_too():
    plain = fastopt.Rule(name="plain", update=lambda p, g, lr: (p - lr * g,), coefficients=lambda t, lr: (lr,),
                         hyper={"lr": 0.5}, variants={("normed",): NORMED})  # fmt: skip
    names = {options: rule.name for options, rule in decayable(plain).variants.items()}
    wanted = {("normed",): "normed", ("decoupled",): "plain_decoupled", ("normed", "decoupled"): "normed_decoupled"}
    assert names == wanted


@pytest.mark.parametrize("rule", ALL_RULES, ids=name_of)
def test_compiled_code_finds_its_rule_again(rule):
    """Else a cached function that calls one of fastopt.jit would be compiled anew in every process."""
    _, (*names, code) = _Stamp(rule.update, rule.coefficients).__reduce__()
    assert (len(names), code) == (2, digest(rule.update, rule.coefficients))
