"""Hyperparameters over time: schedules for each of them, and what happens when one misbehaves."""

import numpy as np
import pytest
from reference import Reference

import fastopt
from fastopt import pack, schedules

HELD = {
    "single": (lambda a, b: a, lambda a, b: a),
    "list": (lambda a, b: [a, b], lambda a, b: [a, b]),
    "packed": (lambda a, b: pack([a, b]), lambda a, b: [a, b]),
    "groups": (lambda a, b: [{"params": a, "lr": 0.1}, {"params": b}], lambda a, b: [a, b]),
}
each_way = pytest.mark.parametrize("way", HELD)


def two(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 3)), rng.normal(size=4)


@pytest.mark.parametrize("option", [{}, {"clip_norm": 1.0}, {"check_finite": "skip"}], ids=str)
@each_way
def test_a_schedule_is_asked_for_step_zero_first(way, option):
    asked = []
    hold, form = HELD[way]

    def lr(step):
        asked.append(step)
        return 0.1

    opt = fastopt.SGD(hold(*two(0)), lr=lr, **option)
    assert asked == []
    for seed in range(1, 6):
        opt.step(form(*two(seed)))
    assert asked == [0, 1, 2, 3, 4]
    opt.load_state_dict(opt.state_dict() | {"t": 41})
    opt.step(form(*two(9)))
    assert asked[5:] == [41]


SCHEDULED = [
    ("sgd", {"lr": schedules.cosine(0.1, 10)}),
    ("sgd", {"lr": 0.1, "weight_decay": lambda step: 0.1 * step}),
    ("momentum", {"momentum": lambda step: 0.9 - 0.1 * step, "dampening": lambda step: 0.05 * step}),
    ("adam", {"lr": lambda step: 1, "beta1": lambda step: 0.1 * step, "eps": lambda step: np.float32(0.5)}),
    ("adamw", {"weight_decay": schedules.exponential(0.1, 0.5), "beta2": lambda step: 0.5 + 0.1 * step}),
    ("adagrad", {"lr_decay": lambda step: 0.1 * step}),
    ("rmsprop", {"alpha": lambda step: 0.9 - 0.1 * step}),
    ("adadelta", {"rho": lambda step: 0.9 - 0.1 * step}),
    ("lion", {"weight_decay": lambda step: 0.1 * step}),
]


@pytest.mark.parametrize(("name", "hyper"), SCHEDULED, ids=[f"{name} {', '.join(h)}" for name, h in SCHEDULED])
@each_way
def test_any_hyperparameter_may_be_a_schedule(way, name, hyper):
    hold, form = HELD[way]
    if way == "groups" and "lr" in hyper:
        pytest.skip("the first group has its own lr")
    given = dict(hyper)
    if "beta1" in given or "beta2" in given:
        given["betas"] = (given.pop("beta1", 0.9), given.pop("beta2", 0.999))
    rule = next(rule for rule in fastopt.RULES if rule.name == name)
    opt = fastopt.Optimizer(hold(*two(0)), rule, **given)
    ref = Reference(name, two(0))
    first = {"lr": 0.1} if way == "groups" else {}
    only = Reference(name, two(0)[:1])
    for step in range(5):
        now = {k: v(step) if callable(v) else v for k, v in hyper.items()}
        opt.step(form(*two(step + 1)))
        ref.step(two(step + 1), **now)
        only.step(two(step + 1)[:1], **(now | first))
    found = opt._layout.leaves
    np.testing.assert_allclose(found[0], only.params[0], rtol=1e-12)
    if way != "single":
        np.testing.assert_allclose(found[1], ref.params[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.nan, ValueError),
        (np.inf, ValueError),
        (-0.1, ValueError),
        (None, TypeError),
        ("0.1", TypeError),
        (True, TypeError),
        (np.ones(1), TypeError),
        (1j, TypeError),
    ],
)
@each_way
def test_a_schedule_with_a_bad_value_is_named_and_nothing_applied(way, value, error):
    hold, form = HELD[way]
    bad = [False]
    for name in ("lr", "weight_decay"):
        params = hold(*two(0))
        hyper = {name: lambda step: value if bad[0] else 0.1}
        if way == "groups":
            params[1].update(hyper)  # the second group must stop the first
        opt = fastopt.Momentum(params, **({} if way == "groups" else hyper))
        bad[0] = False
        opt.step(form(*two(1)))
        before = [a.tobytes() for a in (*opt._layout.leaves, *opt._layout.state_leaves(opt.rule.state[0]))]
        bad[0] = True
        with pytest.raises(error, match=f"{name}.*schedule.*step 1") as caught:
            opt.step(form(*two(2)))
        assert "\n" not in str(caught.value)
        assert opt.t == 1
        assert before == [a.tobytes() for a in (*opt._layout.leaves, *opt._layout.state_leaves(opt.rule.state[0]))]
        bad[0] = False
        opt.step(form(*two(2)))
        assert opt.t == 2


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [("Adam", "beta1", 1.0), ("Adam", "beta2", -0.5), ("RMSprop", "alpha", 1.5), ("Momentum", "dampening", 1.01)],
)
def test_what_a_schedule_returns_lies_in_the_range_of_its_name(rule, name, value):
    schedule = schedules.constant(value)
    hyper = {"beta1": {"betas": (schedule, 0.9)}, "beta2": {"betas": (0.9, schedule)}}.get(name, {name: schedule})
    x = np.ones(3)
    opt = getattr(fastopt, rule)(x, **hyper)
    with pytest.raises(ValueError, match=f"{name}.*schedule.*step 0.* 1"):
        opt.step(np.ones(3))
    assert (opt.t, x.tolist()) == (0, [1, 1, 1])


@pytest.mark.parametrize("error", [TypeError, KeyError, ZeroDivisionError, OverflowError])
@each_way
def test_an_exception_in_a_schedule_goes_through(way, error):
    hold, form = HELD[way]

    def lr(step):
        raise error("of the schedule")

    params = hold(*two(0))
    if way == "groups":
        params[0]["lr"] = lr
    opt = fastopt.SGD(params, lr=lr)
    before = [a.tobytes() for a in opt._layout.leaves]
    with pytest.raises(error, match="of the schedule"):
        opt.step(form(*two(1)))
    assert opt.t == 0
    assert before == [a.tobytes() for a in opt._layout.leaves]


def test_a_pair_of_betas_may_hold_a_schedule():
    opt = fastopt.Adam(two(0)[0], betas=[schedules.constant(0.5), 0.75])
    opt.step(two(1)[0])
    np.testing.assert_allclose(opt.state["m"], 0.5 * two(1)[0], rtol=1e-15)
    assert "betas=(constant(0.5), 0.75)" in repr(opt)


def test_a_skipped_step_does_not_advance_the_schedule():
    asked = []
    opt = fastopt.SGD(np.ones(2), lr=lambda step: asked.append(step) or 0.1, check_finite="skip")
    for g in (np.ones(2), np.array([np.nan, 1.0]), np.ones(2)):
        opt.step(g)
    assert asked == [0, 1]
