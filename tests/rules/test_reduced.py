"""Rules that look at whole arrays first: each against the oracle, and what it says of its edges."""

import numpy as np
import pytest
from numba import types
from reduced import Reduced
from reference import ACROSS, KEPT, WHOLE, Reference
from stepping import BETAS, DTYPES, assert_close, name_of, problem

from fastopt.kernels import bind
from fastopt.rules import ALL_RULES

BY_NAME = {rule.name: rule for rule in ALL_RULES if rule.reduces}
EVERY = {"d0": 1e-3, "d_coef": 2.0, "lr": 0.5}
CASES = [(name, {}) for name in WHOLE] + [
    ("lamb", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, **BETAS}),
    ("lamb", {"lr": 0.05, "weight_decay": 0.0, "bias_correction": False}),
    ("lars", {"lr": 20.0, "momentum": 0.7, "trust_coefficient": 0.01, "weight_decay": 0.3}),
    ("novograd", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, **BETAS}),
    ("stableadamw", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.3, **BETAS}),
    ("prodigy", {**EVERY, "eps": 1e-2, "weight_decay": 0.3, "bias_correction": True, **BETAS}),
    ("prodigy", {**EVERY, "safeguard_warmup": True, "beta1": 0.0}),
    ("dadapt_adam", {"lr": 0.5, "d0": 1e-3, "eps": 1e-2, "bias_correction": True, **BETAS}),
    ("dadapt_adam_decoupled", {"d0": 1e-3, "weight_decay": 0.3, **BETAS}),
    ("dog", {"lr": 0.5, "reps_rel": 1e-2, "eps": 1.0}),
    ("memoryless_bfgs", {"lr": 0.1, "sigma": 0.1}),
]
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
each_rule = pytest.mark.parametrize("rule", BY_NAME.values(), ids=name_of)


def test_the_oracle_knows_every_one():
    assert {name: (rule.state, rule.keeps) for name, rule in BY_NAME.items()} == {
        name: (slots, ACROSS.get(name, KEPT.get(name, ()))) for name, (_, slots) in WHOLE.items()
    }
    assert {name for name, rule in BY_NAME.items() if rule.across} == ACROSS.keys()


def run(rule, hyper, dtype, steps=60, pull=0.0):
    """The rule and the oracle over two arrays, of which one has no gradient here and there."""
    params, data = problem(dtype, shapes=[(37,), (3, 5)], steps=steps)
    ours, ref = Reduced(rule, params, **hyper), Reference(rule.name, params, **hyper)
    for k, noise in enumerate(data):
        grads = [g / 10 ** (pull > 0) + pull * (p - 3).astype(dtype) for g, p in zip(noise, ref.params)]
        given = [g.astype(dtype) if (k + i) % 9 else None for i, g in enumerate(grads)]
        ours.step(given)
        ref.step(given)
        yield ours, ref


def assert_same(ours, ref, tolerance=None):
    """And in float64 the kept numbers: they hold differences of parameters, which float32 has rounded."""
    assert_close(ours.params, ref.params, f"parameters, t={ref.t}", tolerance)
    if ours.params[0].dtype == np.float64 or not ours.rule.across:
        for slot, arrays in ours.state.items():
            assert_close(arrays, ref.state[slot], f"{slot}, t={ref.t}", tolerance)
    if ours.params[0].dtype == np.float64:
        kept = [[np.array(numbers) for numbers in one.kept.values()] for one in (ours, ref)]
        assert_close(*kept, f"kept numbers, t={ref.t}", {np.dtype("f8"): 1e-10})


@each_dtype
@pytest.mark.parametrize(("name", "hyper"), CASES, ids=name_of)
def test_steps(name, hyper, dtype):
    for ours, ref in run(BY_NAME[name], hyper, dtype):
        assert_same(ours, ref)
    assert ours.counts == ref.counts == [53, 54]


@pytest.mark.parametrize("name", ACROSS)
def test_what_an_estimate_becomes(name):
    """Towards a solution 3 from 0, from a millionth; in each of 60 steps it is the oracle's."""
    for ours, ref in run(BY_NAME[name], {}, np.float64, pull=10.0):
        assert_same(ours, ref, {np.dtype("f8"): 1e-9})
    if ours.rule.rate_free:
        assert 0.1 < ours.kept[ours.rule.keeps[0]][0] < 100


@each_rule
def test_nothing_is_divided_by_zero(rule):
    """No gradient so far, no parameters, no elements."""
    least = {"eps": 0.0} if "eps" in rule.hyper and 0.0 in rule.ranges["eps"] else {}
    ours = Reduced(rule, [np.zeros(3), np.ones(2), np.zeros(0)], **least)
    for _ in range(2):
        ours.step([np.zeros(3), np.zeros(2), np.zeros(0)])
    assert not ours.params[0].any()
    assert np.isfinite(ours.params[1]).all()
    assert all(np.isfinite(numbers).all() for numbers in ours.kept.values())
    ours.step([np.ones(3), np.ones(2), np.zeros(0)])
    assert (ours.params[0] < 0).all()


def test_an_array_of_zeros_moves_by_the_step_without_a_ratio():
    for name, step in (("lamb", 0.1), ("lars", 0.2)):
        ours = Reduced(BY_NAME[name], [np.zeros(2)], lr=0.1)
        ours.step([np.full(2, 2.0)])
        np.testing.assert_allclose(ours.params[0], -step, rtol=1e-6)


@each_rule
def test_nan_is_everywhere_in_what_a_sum_is_of(rule):
    ours = Reduced(rule, [np.ones(3), np.ones(2)])
    for bad in (np.nan, 1.0):
        ours.step([np.array([1.0, bad, 1.0]), np.ones(2)])
    assert np.isnan(ours.params[0]).all()
    assert np.isnan(ours.params[1]).all() == rule.across


@each_rule
def test_an_array_that_comes_later_starts_where_it_is(rule):
    """Its own first step is the first of its state; rules for each array alone do not know that it came later."""
    ours, alone = Reduced(rule, [np.ones(3), np.full(2, 4.0)]), Reduced(rule, [np.full(2, 4.0)])
    for k in range(6):
        ours.step([np.full(3, 0.5), np.full(2, 0.1) if k > 2 else None])
        if k > 2:
            alone.step([np.full(2, 0.1)])
    for name in {"x0", "p0"} & set(rule.state):
        assert (ours.state[name][1] == 4.0).all()
        assert (ours.params[1] != 4.0).all()
    if not rule.across:
        np.testing.assert_array_equal(ours.params[1], alone.params[0])


def numbers_of(count):
    return types.UniTuple(types.float64, count) if count else types.Tuple(())


@each_rule
def test_sums_and_what_becomes_of_them_are_the_same_compiled(rule):
    rng = np.random.default_rng(0)
    for t in (1, 2, 30):
        c = rule.coefficients(t, *map(float, rule.hyper.values()))
        kept = tuple(rng.uniform(0.1, 1.0, len(rule.keeps)))
        for name, function in rule.reduces.items():
            numbers = (*rng.uniform(-1.0, 1.0, 2), *rng.uniform(0.1, 1.0, len(rule.state)), *c, *kept)
            signature = types.float64(*[types.float64] * len(numbers))
            found = bind.compiled(function, f"{rule.name}_{name}", signature)(*numbers)
            assert found == pytest.approx(function(*numbers), rel=1e-15)
        takes = [numbers_of(len(part)) for part in (c, rule.reduces, kept)]
        signature = types.Tuple([numbers_of(rule.extra), numbers_of(len(kept))])(*takes)
        compiled = bind.compiled(rule.combine, f"combine_{rule.name}", signature)
        for sums in (tuple(rng.uniform(0.5, 2.0, len(rule.reduces))), (0.0,) * len(rule.reduces)):
            for numbers in (kept, (0.0,) * len(kept)):
                assert compiled(c, sums, numbers) == rule.combine(c, sums, numbers)
