"""The step oracle: every rule and every option against tests/reference.py, parameters and state after each step.

What a tolerance of 1e-12 (float64) and 1e-5 (float32), relative to the largest element of each array, asks of the data:
gradients of random sign, so that centred RMSprop's v − a² does not cancel and no β₁m + (1−β₁)g comes so near to 0 that
rounding decides Lion's sign. The reference gets the same gradients, rounded to float32 where the kernel gets those.
"""

import inspect
import math

import numpy as np
import pytest
from reference import RULES, WHOLE, Reference
from stepping import (
    BETAS,
    BY_NAME,
    CASES,
    COMPILED,
    DTYPES,
    IN_PARALLEL,
    assert_close,
    assert_same_steps,
    bits,
    leaves,
    name_of,
    optimizer,
    problem,
)

import fastopt
from fastopt import schedules

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
each_rule = pytest.mark.parametrize("name", BY_NAME)

OPTIONS = [
    {"weight_decay": 0.1},
    {"maximize": True},
    {"clip_value": 0.5},
    {"clip_norm": 0.7},
    {"clip_value": 0.5, "clip_norm": 0.7},
    {"weight_decay": 0.1, "maximize": True, "clip_value": 0.5, "clip_norm": 0.7},
]


def test_the_oracle_knows_every_rule():
    known = RULES | WHOLE
    assert {name: rule.state for name, rule in BY_NAME.items()} == {name: slots for name, (_, slots) in known.items()}


@each_dtype
@pytest.mark.parametrize(("name", "hyper"), CASES, ids=name_of)
def test_steps(name, hyper, dtype):
    params, grads = problem(dtype)
    assert_same_steps(optimizer(name, params, parallel=False, **hyper), Reference(name, params, **hyper), grads)


@pytest.mark.parametrize(
    ("name", "hyper", "dtype"),
    [(name, hyper, dtype) for name, hyper in CASES for dtype in DTYPES if hyper and (name, dtype) in IN_PARALLEL],
    ids=name_of,
)
def test_steps_in_parallel(name, hyper, dtype):
    params, grads = problem(dtype)
    assert_same_steps(optimizer(name, params, parallel=True, **hyper), Reference(name, params, **hyper), grads)


@each_dtype
@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_options(name, options, dtype):
    params, grads = problem(dtype)
    assert_same_steps(optimizer(name, params, **options), Reference(name, params, **options), grads)


@pytest.mark.parametrize(
    ("name", "dtype"), [("gd", np.float32), ("lion", np.float64), ("rmsprop_centered_momentum", np.float32)]
)
def test_options_in_parallel(name, dtype):
    params, grads = problem(dtype)
    assert_same_steps(
        optimizer(name, params, parallel=True, **OPTIONS[-1]), Reference(name, params, **OPTIONS[-1]), grads
    )


# ---------------------------------------------------------------- constructors


CONSTRUCTED = [(fastopt.SGD, {}, "sgd", {})]
CONSTRUCTED += [
    (getattr(fastopt, rule.label), {}, rule.name, {}) for rule in fastopt.RULES if rule.name not in ("sgd", "momentum")
]
CONSTRUCTED += [
    (fastopt.Momentum, {"dampening": 0.2}, "momentum", {"dampening": 0.2}),
    (fastopt.SGD, {"momentum": 0.8}, "momentum", {"momentum": 0.8}),
    (fastopt.SGD, {"momentum": 0.8, "dampening": 0.2}, "momentum", {"momentum": 0.8, "dampening": 0.2}),
    (fastopt.SGD, {"momentum": 0.8, "nesterov": True}, "nesterov", {"momentum": 0.8}),
    (fastopt.RMSprop, {"alpha": 0.9, "centered": True}, "rmsprop_centered", {"alpha": 0.9}),
    (fastopt.RMSprop, {"momentum": 0.8}, "rmsprop_momentum", {"momentum": 0.8}),
    (fastopt.RMSprop, {"centered": True, "momentum": 0.8}, "rmsprop_centered_momentum", {"momentum": 0.8}),
    (fastopt.Adam, {"amsgrad": True, "betas": (0.8, 0.95)}, "amsgrad", BETAS),
    (fastopt.Adam, {"decoupled": True}, "adamw", {}),
    (fastopt.AMSGrad, {"decoupled": True}, "adamw_amsgrad", {}),
    (fastopt.RMSprop, {"decoupled": True, "momentum": 0.8}, "rmsprop_momentum_decoupled", {"momentum": 0.8}),
    (fastopt.Adam, {"bias_correction": False}, "adam", {"bias_correction": False}),
    (fastopt.Adagrad, {"initial_accumulator_value": 0.1}, "adagrad", {"initial_accumulator_value": 0.1}),
]


@each_dtype
@pytest.mark.parametrize(("make", "keywords", "name", "hyper"), CONSTRUCTED, ids=name_of)
def test_constructors(make, keywords, name, hyper, dtype):
    """By their own defaults, and with the spellings that pick a variant."""
    params, grads = problem(dtype)
    opt = make(params, weight_decay=0.1, **keywords)
    assert opt.rule is BY_NAME[name]
    assert_same_steps(opt, Reference(name, params, weight_decay=0.1, **hyper), grads)


def test_a_variant_keeps_the_defaults_of_the_rule_that_picks_it():
    x = np.ones(3)
    assert fastopt.AdamW(x).weight_decay == 0.01
    for options in ({"decoupled": True}, {"decoupled": True, "amsgrad": True}):
        assert fastopt.Adam(x, **options).weight_decay == 0.0
    assert fastopt.AMSGrad(x, decoupled=True).weight_decay == 0.0
    first, second = fastopt.Adam([{"params": x[:1], "weight_decay": 0.3}, {"params": x[1:]}], decoupled=True).groups
    assert (first.weight_decay, second.weight_decay) == (0.3, 0.0)


@pytest.mark.parametrize("rule", fastopt.RULES, ids=name_of)
def test_lr_alone_may_be_given_by_position(rule):
    """PyTorch's order differs: its Adagrad takes weight_decay where ours would have eps."""
    make = getattr(fastopt, rule.label)
    assert make(np.ones(3), 0.25).lr == 0.25
    with pytest.raises(
        TypeError, match=f"^{rule.label} must be given params and lr by position, everything else by keyw"
    ):
        make(np.ones(3), 0.25, 0.5)
    kinds = [parameter.kind for parameter in inspect.signature(make).parameters.values()]
    assert kinds == [
        *[inspect.Parameter.POSITIONAL_OR_KEYWORD] * 2,
        *[inspect.Parameter.KEYWORD_ONLY] * (len(kinds) - 2),
    ]


# ---------------------------------------------------------------- schedules

START = {"lr": 0.05, "dampening": 0.3, "lr_decay": 0.02, "weight_decay": 0.1, "momentum_decay": 0.01}
END = {"etaplus": 1.1}  # half of it would be out of its range


@each_dtype
@each_rule
def test_everything_scheduled(name, dtype):
    """Every number falls from step to step, L2 decay included.

    But for NAdam's β₁ and ψ: the closed form of μ₁·…·μₜ takes this step's for all steps, a running product remembers.
    """
    rule = BY_NAME[name]
    numbers = {k: v for k, v in rule.hyper.items() if not isinstance(v, bool)} | {"weight_decay": 0.1}
    if name in ("nadam", "nadam_decoupled"):
        del numbers["beta1"], numbers["momentum_decay"]
    values = {k: START.get(k, v) for k, v in numbers.items()}
    hyper = {k: schedules.polynomial(v, 100, end=END.get(k, v / 2)) for k, v in values.items()}
    params, grads = problem(dtype)
    overrides = [{k: schedule(step) for k, schedule in hyper.items()} for step in range(len(grads))]
    assert overrides[0] == values
    assert_same_steps(optimizer(name, params, **hyper), Reference(name, params), grads, overrides)


def test_any_callable_is_a_schedule_and_is_asked_for_each_step_once():
    params, grads = problem(np.float64)
    asked = []

    def lr(step):
        asked.append(step)
        return 0.1 / (1 + step)

    overrides = [{"lr": 0.1 / (1 + step)} for step in range(len(grads))]
    assert_same_steps(fastopt.Adam(params, lr=lr), Reference("adam", params), grads, overrides)
    assert asked == list(range(len(grads)))


# ---------------------------------------------------------------- groups, nests, absent gradients


@each_dtype
def test_groups(dtype):
    """Each group like an optimiser of its own, but for the norm, which is over all."""
    params, grads = problem(dtype)
    own = [{"lr": 0.05, "weight_decay": 0.2}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"bias_correction": False}]
    groups = [{"params": [p], **hyper} for p, hyper in zip(params, own)]
    opt = fastopt.Adam(groups, lr=0.02, weight_decay=0.1, clip_norm=0.7, maximize=True)
    own[1] = {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3}
    common = {"lr": 0.02, "weight_decay": 0.1, "maximize": True}
    refs = [Reference("adam", [p], **{**common, **hyper}) for p, hyper in zip(params, own)]
    for at_step in grads:
        opt.step([[g] for g in at_step])
        norm = math.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in at_step))
        for ref, g in zip(refs, at_step):
            ref.step([g * min(1.0, 0.7 / (norm + 1e-6))])
    assert_close(leaves(opt.params), [ref.params[0] for ref in refs], "parameters")
    for slot in ("m", "v"):
        assert_close(leaves(opt.state[slot]), [ref.state[slot][0] for ref in refs], slot)


def test_groups_with_schedules_and_starts_of_their_own():
    params, grads = problem(np.float64)
    lr = schedules.exponential(0.1, 0.95)
    opt = fastopt.Adagrad([{"params": params[:1], "lr": lr}, {"params": params[1:], "initial_accumulator_value": 0.3}])
    first, second = Reference("adagrad", params[:1]), Reference("adagrad", params[1:], initial_accumulator_value=0.3)
    for k, at_step in enumerate(grads):
        opt.step([at_step[:1], at_step[1:]])
        first.step(at_step[:1], lr=lr(k))
        second.step(at_step[1:])
    assert_close(leaves(opt.params), first.params + second.params, "parameters")
    assert_close(leaves(opt.state["s"]), first.state["s"] + second.state["s"], "s")


@each_dtype
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.7, "weight_decay": 0.1}], ids=name_of)
@pytest.mark.parametrize("packed", [False, True], ids=["arrays", "packed"])
def test_absent_gradients(packed, options, dtype):
    """An array without a gradient keeps its parameters and its state; without any there is no step."""
    params, grads = problem(dtype)
    for k, at_step in enumerate(grads):
        for i in range(3):
            if k % 4 == i or k % 20 == 19:
                at_step[i] = None
    opt = fastopt.AMSGrad(fastopt.pack(params) if packed else params, lr=0.05, **options)
    assert_same_steps(opt, Reference("amsgrad", params, lr=0.05, **options), grads)
    assert opt.t == len(grads) - 3


@each_dtype
@pytest.mark.parametrize("packed", [False, True], ids=["arrays", "packed"])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.7, "weight_decay": 0.1}], ids=name_of)
def test_nests(packed, options, dtype):
    """Nested, Fortran-ordered, empty, and of both dtypes at once; the reference sees the leaves in order."""
    shapes = [(40,), (4, 6), (3, 0), (30,)]
    other = np.float32 if dtype is np.float64 else np.float64
    params, grads = problem(dtype, shapes=shapes)

    def nest(leaf):
        return {"layer": [np.asfortranarray(leaf[1]), leaf[0]], "none": (leaf[2],), "other": leaf[3].astype(other)}

    tree = nest(params)
    tree = fastopt.pack(tree) if packed else tree
    opt = fastopt.Adam(tree, lr=0.05, **options)
    ref = Reference("adam", leaves(tree), lr=0.05, **options)
    assert_same_steps(opt, ref, [nest(g) for g in grads])


@pytest.mark.parametrize("size", [None, 0, 1])
def test_tiny_arrays(size):
    """0-d, empty and of one element, in float64, whose tolerance leaves room for a momentum that cancels."""
    shape = () if size is None else (size,)
    params, grads = problem(np.float64, shapes=[shape])
    opt, ref = fastopt.Adam(params[0], lr=0.05), Reference("adam", params, lr=0.05)
    assert_same_steps(opt, ref, [g for (g,) in grads])


# ---------------------------------------------------------------- each option by itself


@each_dtype
def test_adagrad_without_eps_stays_where_there_was_no_gradient(dtype):
    start = np.array([1.0, -2.0, 3.0], dtype)
    for options in ({}, {"parallel": True}, {"maximize": True}):
        p = start.copy()
        opt = fastopt.Adagrad(p, lr=0.1, eps=0, **options)
        for _ in range(50):
            opt.step(np.array([0.0, 0.5, -0.0], dtype))
        assert (p[[0, 2]] == start[[0, 2]]).all()
        assert (opt.state["s"] == np.array([0, 12.5, 0], dtype)).all()
        assert p[1] != start[1]
        opt.step(np.array([4.0, 0.0, 0.0], dtype))  # the first gradient moves by lr, whatever its size
        sign = -1 if "maximize" in options else 1
        assert p[0] == pytest.approx(1 - sign * 0.1, rel=1e-6)
        assert p[2] == start[2]


@each_dtype
@pytest.mark.parametrize("momentum", [0, 0.5])
def test_centred_rmsprop_where_the_gradient_stays(momentum, dtype):
    """v − a² goes to 0, and by rounding below: it is kept at 0, where the denominator is eps."""
    g = np.random.default_rng(0).normal(size=257).astype(dtype)
    p = np.zeros_like(g)
    opt = fastopt.RMSprop(p, lr=1e-3, alpha=0.5, eps=1.0, centered=True, momentum=momentum)
    for _ in range(200):
        opt.step(g)
    assert (opt.state["v"] < opt.state["a"] ** 2).any()
    before = p.copy()
    opt.step(g)
    np.testing.assert_allclose(before - p, 1e-3 / (1 - momentum) * g, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_clip_norm_of_gradients_whose_squares_leave_the_range(scale):
    g = np.array([3.0, -4.0, 12.0]) * scale
    p = np.zeros(3)
    fastopt.GD(p, lr=1.0, clip_norm=1.0).step(g)
    np.testing.assert_allclose(p, -g / 13 / scale if scale > 1 else -g, rtol=1e-14)


@each_dtype
def test_the_norm_of_a_long_gradient(dtype):
    """Beyond one chunk of the reduction, and so for two arrays together."""
    rng = np.random.default_rng(1)
    g = [rng.normal(size=n).astype(dtype) for n in (100_003, 40_001)]
    params = [np.zeros_like(a) for a in g]
    fastopt.GD(params, lr=1.0, clip_norm=1.0).step(g)
    norm = math.sqrt(math.fsum(x * x for a in g for x in a.tolist()))
    tight = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-14}
    assert_close(params, [-a.astype(np.float64) / (norm + 1e-6) for a in g], "parameters", tight)


@each_dtype
def test_skipped_and_refused_gradients_leave_no_trace(dtype):
    params, grads = problem(dtype)
    for kind in ("skip", True):
        opt = fastopt.NAdam([p.copy() for p in params], lr=0.05, check_finite=kind)
        ref = Reference("nadam", params, lr=0.05)
        for k, g in enumerate(grads):
            bad = [a.copy() for a in g]
            bad[k % 3].flat[-1] = (np.nan, np.inf, -np.inf)[k % 3]
            if kind == "skip":
                opt.step(bad)
                assert opt.skipped == k + 1
            else:
                with pytest.raises(ValueError, match="must be finite"):
                    opt.step(bad)
            assert_same_steps(opt, ref, [g])


@each_dtype
def test_gradients_are_never_written(dtype):
    params, grads = problem(dtype, steps=3)
    options = OPTIONS[-1]
    for make in (lambda: params, lambda: fastopt.pack(params)):
        opt = fastopt.Adam(make(), **options)
        for g in grads:
            for a in g:
                a.flags.writeable = False
            before = bits(*g)
            opt.step(g)
            assert bits(*g) == before


# ---------------------------------------------------------------- going on after load_state_dict


def assert_goes_on_like_the_saved_one(name, **hyper):
    """All numbers come from the saved one; the one that loads is made with the defaults."""
    params, grads = problem(np.float64, steps=20)
    saved = optimizer(name, params, **hyper)
    for g in grads[:10]:
        saved.step(g)
    loading = fastopt.Optimizer([p.copy() for p in params], BY_NAME[name])
    loading.load_state_dict(saved.state_dict())
    for g in grads[10:]:
        saved.step(g)
        loading.step(g)
    for a, b in zip(leaves([saved.params, dict(saved.state)]), leaves([loading.params, dict(loading.state)])):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "hyper"), CASES, ids=name_of)
def test_a_loaded_optimiser_takes_the_same_steps(name, hyper):
    assert_goes_on_like_the_saved_one(name, **hyper)


@pytest.mark.parametrize("name", ["gd", "adam", "adamw", "lion"])
def test_a_loaded_optimiser_decays_the_same(name):
    assert_goes_on_like_the_saved_one(name, weight_decay=0.3)
