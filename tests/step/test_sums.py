"""Rules with sums in an optimiser, against a plain interpreter of what a rule says (helpers/reduced.py)."""

import copy
import pickle

import numpy as np
import pytest
from reduced import Reduced
from stepping import DTYPES, name_of
from with_sums import ALL, BOTH, EACH

import fastopt

SHAPES = {"W": (3, 4), "b": (7,), "long": (70_001,)}  # three chunks
SMALL = {"W": (3, 4), "b": (7,)}
NEAR = {np.dtype("f4"): 2e-5, np.dtype("f8"): 1e-11}
each_rule = pytest.mark.parametrize("rule", BOTH, ids=name_of)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)


def params(dtype=np.float64, shapes=SMALL):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def gradients(steps, dtype=np.float64, shapes=SMALL):
    rng = np.random.default_rng(1)
    return [{name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()} for _ in range(steps)]


def assert_same(opt, oracle, dtype=np.float64):
    near = {"rtol": NEAR[np.dtype(dtype)], "atol": NEAR[np.dtype(dtype)]}
    for p, m, q, n in zip(opt.params.values(), opt.state["m"].values(), oracle.params, oracle.state["m"]):
        np.testing.assert_allclose(p, q, **near)
        np.testing.assert_allclose(m, n, **near)
    for name, numbers in oracle.kept.items():
        kept = [opt.state[name]] if opt.rule.across else opt.state[name].values()
        assert all(one.shape == () and one.dtype == np.float64 for one in kept)
        np.testing.assert_allclose([float(one) for one in kept], numbers, **near)


@pytest.mark.parametrize("form", [dict, fastopt.pack], ids=["apart", "packed"])
@each_dtype
@each_rule
def test_as_the_rule_says(rule, dtype, form):
    own = params(dtype)
    oracle = Reduced(rule, own.values(), start=0.5)
    opt = fastopt.Optimizer(form(own), rule, start=0.5)
    for k, grads in enumerate(gradients(12, dtype)):
        if k % 4 == 2:
            grads["b"] = None
        oracle.step(list(grads.values()))
        opt.step(grads)
    assert_same(opt, oracle, dtype)
    assert opt.counts["b"] == 9


@each_rule
def test_the_same_bits_on_any_number_of_threads(rule):
    outs = []
    for options in ({"parallel": False}, {"parallel": True}, {"threads": 1}, {}):
        own = params(shapes=SHAPES)
        opt = fastopt.Optimizer(own, rule, **options)
        for grads in gradients(3, shapes=SHAPES):
            opt.step(grads)
        outs.append([*map(np.copy, own.values()), opt.state["length"]])
    for out in outs[1:]:
        assert str(out[-1]) == str(outs[0][-1])
        for a, b in zip(out[:-1], outs[0][:-1]):
            np.testing.assert_array_equal(a, b)


@each_rule
def test_sums_see_the_gradient_that_the_rule_sees(rule):
    """Clipped, then decayed."""
    own = params()
    oracle = Reduced(rule, own.values())
    opt = fastopt.Optimizer(own, rule, clip_norm=0.5, clip_value=0.9, weight_decay=0.1)
    for grads in gradients(8):
        clipped = [np.clip(g, -0.9, 0.9) for g in grads.values()]
        scale = min(1, 0.5 / (np.sqrt(sum((g * g).sum() for g in clipped)) + 1e-6))
        oracle.step([scale * g + 0.1 * p for g, p in zip(clipped, oracle.params)])
        opt.step(grads)
    assert_same(opt, oracle)


def test_groups_have_numbers_of_their_own():
    own = params()
    opt = fastopt.Optimizer([{"params": own["W"], "lr": 0.5}, {"params": own["b"]}], EACH)
    oracles = Reduced(EACH, [own["W"].copy()], lr=0.5), Reduced(EACH, [own["b"].copy()])
    for grads in gradients(5):
        opt.step([grads["W"], grads["b"]])
        for oracle, g in zip(oracles, grads.values()):
            oracle.step([g])
    for p, oracle in zip(own.values(), oracles):
        np.testing.assert_allclose(p, oracle.params[0], rtol=1e-12)


@each_rule
def test_copies_and_files(rule, tmp_path):
    own, grads = params(), gradients(6)
    opt = fastopt.Optimizer(own, rule)
    for g in grads[:3]:
        opt.step(g)
    fastopt.save(tmp_path / "file", opt)
    loaded = fastopt.Optimizer(params(), rule, start=9.0)
    fastopt.load(tmp_path / "file", loaded)
    again = fastopt.Optimizer({name: p.copy() for name, p in own.items()}, rule)
    again.load_state_dict(opt.state_dict())
    copies = loaded, again, copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))
    for one in (opt, *copies):
        for g in grads[3:]:
            one.step(g)
    for one in copies:
        for name, p in own.items():
            np.testing.assert_array_equal(one.params[name], p)
        assert str(one.state) == str(opt.state)


def test_state_dicts_that_do_not_fit():
    opt, other = (fastopt.Optimizer(params(), rule) for rule in BOTH)
    d = opt.state_dict()
    for broken, says in (
        (d["state"] | {"length": np.zeros(2)}, "must be a mapping with the keys 'W', 'b'"),
        (d["state"] | {"length": {"W": np.zeros(1), "b": np.zeros(())}}, "must have shape"),
        ({k: v for k, v in d["state"].items() if k != "weight"}, "must have the names 'm', 'length', 'weight'"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            opt.load_state_dict(d | {"state": broken})
    with pytest.raises(ValueError, match="must be 'all_by_sums'"):
        other.load_state_dict(d)


@pytest.mark.parametrize("rule", [*BOTH, next(r for r in fastopt.RULES if r.name == "lamb")], ids=name_of)
def test_nan_reaches_the_whole_array(rule):
    own = params()
    opt = fastopt.Optimizer(own, rule)
    grads = gradients(1)[0]
    grads["W"][0, 0] = np.nan
    opt.step(grads)
    assert np.isnan(own["W"]).all()
    assert np.isnan(own["b"]).all() == (rule is ALL)


def test_numbers_that_all_groups_share():
    """An across rule combines sums with those of the first group: others may not differ where that would be lost."""
    a, b = np.ones(2), np.ones(2)
    for different in ({"d0": 0.1}, {"d_coef": 5.0}, {"betas": (0.8, 0.99)}):
        with pytest.raises(ValueError, match="must be the same in all groups with Prodigy, whose sums are over all"):
            fastopt.Prodigy([{"params": a}, {"params": b, **different}])
    opt = fastopt.Prodigy([{"params": a}, {"params": b, "lr": 0.5, "weight_decay": 0.1}])
    with pytest.raises(ValueError, match="d_coef must be the same"):
        opt.groups[1].d_coef = 5.0
    opt.d_coef = 2.0
    opt.groups[1].lr = 0.25
    assert (opt.groups[0].d_coef, opt.groups[1].d_coef, opt.groups[0].lr) == (2.0, 2.0, 1.0)


@each_rule
def test_one_array_with_a_stage(rule):
    """Which takes its sums in the call that steps."""
    (p,), grads = params(shapes={"W": (3, 4)}).values(), gradients(5)
    oracle = Reduced(rule, [p])
    opt = fastopt.Optimizer(p, rule, weight_decay=0.1)
    for g in grads:
        oracle.step([g["W"] + 0.1 * oracle.params[0]])
        opt.step(g["W"])
    np.testing.assert_allclose(p, oracle.params[0], rtol=1e-11)
    np.testing.assert_allclose(float(opt.state["length"]), oracle.kept["length"][0], rtol=1e-11)
