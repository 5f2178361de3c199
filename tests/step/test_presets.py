"""``preset=``: which keywords it sets, whose win, and what it refuses."""

import inspect

import numpy as np
import pytest

import fastopt
from fastopt.rules.presets import FRAMEWORKS, PRESETS

LABELS = {rule.label for rule in fastopt.RULES}
EACH = [(label, name) for label, row in PRESETS.items() if label in LABELS for name in row]


def made(label, **given):
    return getattr(fastopt, label)(np.ones(2), **given)


@pytest.mark.parametrize(("label", "name"), EACH)
def test_a_preset_is_the_same_as_its_keywords(label, name):
    opt, found = made(label, preset=name), PRESETS[label][name]
    assert found.keys() <= inspect.signature(getattr(fastopt, label)).parameters.keys()
    absent = {"lr_in_velocity", "max_corrected"} - opt.state_dict()["hyper"].keys()  # of variants that are not picked
    assert repr(opt) == repr(made(label, **{key: value for key, value in found.items() if key not in absent}))


def test_what_is_given_wins():
    opt = made("Adam", eps=1e-3, decoupled=False, preset="keras")
    assert (opt.eps, opt.eps_before_correction) == (1e-3, True)
    assert "Adam(" in repr(opt)
    assert made("RMSprop", lr_in_velocity=False, momentum=0.5, preset="keras").lr_in_velocity is False


def test_groups_win_too():
    opt = fastopt.Adam([{"params": np.ones(2), "eps": 1e-3}, {"params": np.ones(2)}], preset="keras")
    assert [group.eps for group in opt.groups] == [1e-3, 1e-7]


def test_a_keyword_of_a_variant_holds_where_it_is_picked():
    assert made("Adam", amsgrad=True, preset="optax").max_corrected
    assert made("SGD", momentum=0.9, preset="sklearn").lr_in_velocity
    assert made("SGD", momentum=0.9, nesterov=True, preset="keras").lr_in_velocity
    assert made("SGD", preset="keras").lr == 1e-2
    assert made("Adam", weight_decay=0.1, preset="keras").weight_decay == 0.1
    assert made("AdamW", preset="keras").weight_decay == 4e-3


@pytest.mark.parametrize(
    ("label", "preset", "sentence"),
    [
        ("Lion", "torch", "preset of Lion must be 'optax', 'keras' or None, got 'torch', which has no such rule"),
        ("QHM", "torch", "preset of QHM must be None, got 'torch', which has no such rule"),
        ("Adam", "tf", "preset must be 'torch', 'optax', 'keras', 'sklearn' or None, got 'tf'"),
        ("Adam", ["keras"], "preset must be 'torch', 'optax', 'keras', 'sklearn' or None, got a list"),
    ],
)
def test_refusals(label, preset, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        made(label, preset=preset)
    assert str(caught.value) == sentence


def test_switches_without_their_variant_are_refused():
    for given in ({"lr_in_velocity": True}, {"lr_in_velocity": True, "momentum": 0.0}):
        with pytest.raises(ValueError, match="lr_in_velocity must be False with these options of SGD, got True"):
            made("SGD", **given)
    with pytest.raises(ValueError, match="max_corrected must be False with these options of Adam, got True"):
        made("Adam", max_corrected=True)
    with pytest.raises(TypeError, match="eps_before_correction must be True or False, got 1"):
        made("Adam", eps_before_correction=1)


@pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.label)
def test_help_says_what_presets_set(rule):
    text = getattr(fastopt, rule.label).__doc__.partition("\npreset : ")[2].partition("\nReturns")[0]
    known = PRESETS.get(rule.label, {})
    assert [name for name in FRAMEWORKS if f"``{name!r}``: " in text] == [name for name in FRAMEWORKS if name in known]
    assert all(keyword in text for found in known.values() for keyword in found)
