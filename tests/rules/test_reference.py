"""The oracle by itself: hand-computed steps, and what the class adds to the rules."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from reference import ACROSS, RULES, WHOLE, Reference

# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("rule", "hyper", "grad", "expected"),
    [
        ("gd", {"lr": 0.1}, 2.0, 0.8),
        ("momentum", {"lr": 0.1, "dampening": 0.5}, 2.0, 0.8),  # the first step is undamped
        ("nesterov", {"lr": 0.1, "momentum": 0.5}, 2.0, 0.7),  # 1 − 0.1·(2 + 0.5·2)
        ("adagrad", {"lr": 0.1, "eps": 0.0}, -2.0, 1.1),  # s = 4
        ("adagrad", {"lr": 0.1, "eps": 0.0}, 0.0, 1.0),  # s = 0: the parameter stays
        ("adagrad", {"lr": 0.1, "eps": 0.0, "initial_accumulator_value": 5.0}, 2.0, 1 - 0.2 / 3),
        ("adadelta", {"lr": 1.0, "rho": 0.75, "eps": 3.0}, 2.0, 1 - math.sqrt(3)),  # Δ = √3/√(1+3)·2
        ("rmsprop", {"lr": 0.1, "alpha": 0.75, "eps": 1.0}, 2.0, 0.9),  # v = 1; 1 − 0.1·2/(1 + 1)
        ("rmsprop_centered", {"lr": 0.3, "alpha": 0.5, "eps": 1.0}, 2.0, 0.7),  # v = 2, a = 1
        ("adam", {"lr": 0.1, "eps": 0.0}, -3.0, 1.1),  # m̂ = g, v̂ = g²
        ("adam", {"lr": 0.1, "eps": 1.0}, 3.0, 0.925),  # 1 − 0.1·3/(3 + 1)
        # m = 0.1·4 = 0.4, v = 0.25·16 = 4: 1 − 0.1·0.4/(2 + 0.5)
        ("adam", {"lr": 0.1, "beta2": 0.75, "eps": 0.5, "bias_correction": False}, 4.0, 0.984),
        ("adamw", {"lr": 0.1, "eps": 0.0, "weight_decay": 0.5}, 3.0, 0.85),  # 0.95, then Adam
        ("adamax", {"lr": 0.1, "eps": 0.0}, 3.0, 0.9),
        ("radam", {"lr": 0.1}, 3.0, 0.7),  # too early to adapt: 1 − 0.1·m̂
        ("lion", {"lr": 0.1, "weight_decay": 0.5}, -3.0, 1.05),  # 1 − 0.1·(−1 + 0.5·1)
        ("rprop", {"lr": 0.1}, -3.0, 1.1),
        ("rprop", {"lr": 0.1, "step_size_max": 0.05}, 3.0, 0.95),
        ("rprop_minus", {"lr": 0.1}, 0.0, 1.0),
        ("asgd", {"lr": 0.1, "lambd": 0.5}, 2.0, 0.75),  # 1 − 0.1·(2 + 0.5·1)
        ("lamb", {"lr": 0.1, "weight_decay": 0.5}, -3.0, 1.1),  # u = −1 + 0.5, made as long as 1 is
        ("lamb", {"lr": 0.1}, 0.0, 0.9),  # decay alone has that length too
        ("lars", {"lr": 10.0, "trust_coefficient": 0.01}, 3.0, 0.9),
        ("lars", {"lr": 10.0, "trust_coefficient": 0.01, "weight_decay": 3.0}, -1.0, 0.95),  # 2 of 1 + 3
        ("novograd", {"lr": 0.1, "eps": 1.0, "weight_decay": 0.5}, 3.0, 0.875),  # 1 − 0.1·(3/(3 + 1) + 0.5)
        ("stableadamw", {"lr": 0.1, "weight_decay": 0.5, "eps": 1.0}, 3.0, 0.875),  # 0.95 − 0.1·3/(3 + 1)
        ("prodigy", {"d0": 0.1, "bias_correction": True, "eps": 1e-30}, -3.0, 1.1),
        ("dadapt_adam", {"d0": 0.1, "bias_correction": True, "eps": 1e-30}, 3.0, 0.9),
        ("dog", {"reps_rel": 0.05, "eps": 7.0}, 3.0, 1 - 0.3 / 4),  # 0.05·(1 + 1)/√(9 + 7)·3
    ],
)
def test_first_step_by_hand(rule, hyper, grad, expected):
    ref = Reference(rule, [np.array([1.0])], **hyper)
    ref.step([np.array([grad])])
    assert ref.params[0][0] == pytest.approx(expected, rel=1e-14)


def test_two_steps_of_uncorrected_adam_by_hand():
    ref = Reference("adam", [np.array([1.0])], lr=0.1, beta1=0.5, beta2=0.75, eps=1.0, bias_correction=False)
    ref.step([np.array([4.0])])  # m = 2, v = 4, θ = 1 − 0.1·2/3
    ref.step([np.array([0.0])])  # m = 1, v = 3, θ −= 0.1·1/(√3 + 1)
    assert ref.state["m"][0][0] == 1.0
    assert ref.state["v"][0][0] == 3.0
    assert ref.params[0][0] == pytest.approx(1 - 0.2 / 3 - 0.1 / (math.sqrt(3) + 1), rel=1e-14)


def test_four_steps_of_rprop_by_hand():
    """Steps of 0.1 and 0.12; then the sign changes, and Rprop waits where Rprop⁻ goes back by 0.06."""
    path, going = Reference("rprop", [np.zeros(1)], lr=0.1), Reference("rprop_minus", [np.zeros(1)], lr=0.1)
    for g, there, on in [(-4.0, 0.1, 0.1), (-1.0, 0.22, 0.22), (2.0, 0.22, 0.16), (3.0, 0.16, 0.088)]:
        for ref, expected in ((path, there), (going, on)):
            ref.step([np.array([g])])
            assert ref.params[0][0] == pytest.approx(expected, rel=1e-14)


def test_adan_by_hand():
    hyper = {"lr": 0.1, "beta1": 0.0, "beta2": 0.75, "beta3": 0.0, "eps": 1.0}
    plain, decoupled = Reference("adan", [np.ones(1)], **hyper), Reference("adan_decoupled", [np.ones(1)], **hyper)
    for g in (4.0, 8.0):
        plain.step([np.array([g])])
        decoupled.step([np.array([g])], weight_decay=0.5)
    first = 0.1 * 4 / (4 + 1)
    # the change 4 has the average 0.25·4, corrected 1/(1 − 0.75²); the root is that of (8 + 0.75·4)²
    second = 0.1 * (8 + 0.75 / 0.4375) / (11 + 1)
    assert plain.params[0][0] == pytest.approx(1 - first - second, rel=1e-14)
    assert decoupled.params[0][0] == pytest.approx(((1 - first) / 1.05 - second) / 1.05, rel=1e-14)


def test_adopt_by_hand():
    hyper = {"lr": 0.1, "beta1": 0.5, "beta2": 0.75, "weight_decay": 0.5}
    ref, p = Reference("adopt_decoupled", [np.ones(1)], **hyper), [1.0]
    for g in (2.0, 1.0, 100.0):
        ref.step([np.array([g])])
        p.append(ref.params[0][0])
    assert p[1] == 1.0  # only v = 4
    assert p[2] == pytest.approx(0.95 - 0.1 * 0.25, rel=1e-14)  # m = 0.5·1/2
    assert p[3] == pytest.approx(0.95 * p[2] - 0.1 * (0.125 + 0.5 * 2**0.25), rel=1e-14)  # 100/√3.25 is clipped


# ---------------------------------------------------------------- the class around the rules


def test_options_come_in_order():
    """Value clip [3, −40] → [3, −4], norm clip 5 → 1, sign, then the decay of θ = (10, 10)."""
    options = {"clip_value": 4.0, "clip_norm": 1.0, "maximize": True, "weight_decay": 0.1}
    ref = Reference("gd", [np.array([10.0, 10.0])], lr=1.0, **options)
    ref.step([np.array([3.0, -40.0])])
    np.testing.assert_allclose(ref.params[0], [10 + 0.6 - 1, 10 - 0.8 - 1], rtol=1e-6)


def test_the_norm_is_over_all_arrays():
    ref = Reference("gd", [np.zeros(1), np.zeros(1), np.zeros(1)], lr=1.0, clip_norm=1.0)
    ref.step([np.array([3.0]), None, np.array([4.0])])
    np.testing.assert_allclose(np.concatenate(ref.params), [-0.6, 0.0, -0.8], rtol=1e-6)


def test_none_skips_an_array_and_no_gradient_at_all_skips_the_step():
    ref = Reference("adam", [np.ones(2), np.ones(2)])
    ref.step([None, None])
    assert ref.t == 0
    ref.step([np.ones(2), None])
    assert ref.t == 1
    assert (ref.params[0] != 1).all()
    assert (ref.params[1] == 1).all()
    assert (ref.state["m"][1] == 0).all()


def test_override_holds_for_one_step():
    ref = Reference("gd", [np.zeros(1)], lr=1.0)
    for override in ({}, {"lr": 10.0}, {}):
        ref.step([np.ones(1)], **override)
    assert ref.params[0][0] == -12.0


def test_inputs_are_copied_and_unknown_names_refused():
    p, g = np.ones(2, dtype=np.float32), np.full(2, 9.0)
    ref = Reference("sgd", [p], clip_value=1.0)
    ref.step([g])
    assert (p == 1).all()
    assert (g == 9).all()
    assert ref.params[0].dtype == np.float64
    with pytest.raises(TypeError, match="no hyperparameter"):
        Reference("gd", [p], beta1=0.9)
    with pytest.raises(TypeError, match="no hyperparameter"):
        ref.step([g], rho=0.9)


@pytest.mark.parametrize("rule", RULES)
def test_nan_propagates_and_stays_where_it_is(rule):
    ref = Reference(rule, [np.ones(3)])
    ref.step([np.array([1.0, np.nan, 1.0])])
    sizes = ref.state.pop("step_size", [np.ones(3)])  # of Rprop: where the sign is unknown they stay what they are
    assert not np.isnan(sizes[0]).any()
    written = [arrays[0] for slot, arrays in ref.state.items() if slot != "x0"]  # no gradient goes into MADGRAD's start
    for array in [ref.params[0], *written]:
        assert np.isnan(array).tolist() == [False, True, False]


@pytest.mark.parametrize("rule", WHOLE)
def test_nan_is_everywhere_in_what_a_sum_is_of(rule):
    ref = Reference(rule, [np.ones(3), np.ones(2)])
    for bad in (np.nan, 1.0):
        ref.step([np.array([1.0, bad, 1.0]), np.ones(2)])
    assert np.isnan(ref.params[0]).all()
    assert np.isnan(ref.params[1]).all() == (rule in ACROSS)


def test_the_oracle_is_independent():
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]
