"""Hyperparameters as attributes: read, assigned, checked, and taken from the next step on."""

import numpy as np
import pytest
from numba import njit
from reference import Reference
from stepping import BY_NAME, assert_close

import fastopt
from fastopt import schedules

X, G = np.array([1.0, -2.0, 3.0]), np.array([0.5, -1.5, 20.0])


def test_what_is_assigned_holds_from_the_next_step_on():
    x = X.copy()
    opt, ref = fastopt.Adam(x, lr=0.1), Reference("adam", [x], lr=0.1)
    changes = [("lr", 0.01), ("betas", (0.5, 0.75)), ("eps", 1e-3), ("bias_correction", False)]
    for name, value in [*changes, ("lr", np.float32(0.25))]:
        opt.step(G)
        ref.step([G])
        setattr(opt, name, value)
        ref.hyper |= dict(zip(("beta1", "beta2"), value)) if name == "betas" else {name: value}
        assert getattr(opt, name) == value
    opt.step(G)
    ref.step([G])
    assert_close([x], ref.params, "parameters")
    assert opt.t == 6


@pytest.mark.parametrize("name", ["gd", "adam", "lion"])
@pytest.mark.parametrize("hold", [lambda x: x, lambda x: [x], lambda x: fastopt.pack([x])])
@pytest.mark.parametrize(
    ("option", "on", "off"),
    [
        ("weight_decay", 0.1, 0.0),
        ("clip_value", 0.7, None),
        ("clip_norm", 0.5, None),
        ("maximize", True, False),
        ("check_finite", True, False),
        ("weight_decay", schedules.constant(0.1), 0),
    ],
)
def test_what_comes_and_goes_binds_its_kernel(option, on, off, hold, name):
    """The same steps as optimisers that were made so."""
    params, grads = hold(X.copy()), hold(G)
    if isinstance(params, np.ndarray):
        opt, leaf = fastopt.Optimizer(params, BY_NAME[name]), params
    else:
        opt, leaf = fastopt.Optimizer(params, BY_NAME[name]), params[0]
    ref = Reference(name, [X])
    for value in (on, off, on):
        setattr(opt, option, value)
        assert getattr(opt, option) is value
        number = 0.1 if callable(value) else value
        if option == "weight_decay":
            ref.hyper["weight_decay"] = number
        elif option != "check_finite":
            setattr(ref, option, number)
        for _ in range(2):
            opt.step(grads)
            ref.step([G])
        assert_close([leaf], ref.params, f"{option}={value}")


def test_check_finite_that_comes_refuses_and_skips():
    opt = fastopt.SGD(X.copy(), lr=1.0)
    opt.check_finite = True
    with pytest.raises(ValueError, match="finite"):
        opt.step(np.full(3, np.nan))
    opt.check_finite = "skip"
    opt.step(np.full(3, np.nan))
    assert (opt.t, opt.skipped) == (0, 1)


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("lr", -1.0, ValueError, "lr must be finite and at least 0, got -1.0"),
        ("lr", "0.1", TypeError, "lr must be a number, got '0.1'"),
        ("lr", np.ones(3), TypeError, "lr must be a number"),
        ("betas", 0.9, TypeError, "betas must be a pair"),
        ("betas", (0.9, 1.0), ValueError, "beta2 must be"),
        ("betas", (0.9, 0.9, 0.9), TypeError, "betas must be a pair"),
        ("bias_correction", 1, TypeError, "bias_correction must be True or False"),
        ("bias_correction", lambda step: True, TypeError, "bias_correction must be True or False"),
        ("weight_decay", np.nan, ValueError, "weight_decay must be"),
        ("clip_norm", 0, ValueError, "clip_norm must be finite and greater than 0"),
        ("clip_value", "1", TypeError, "clip_value must be a number"),
        ("maximize", 1, TypeError, "maximize must be True or False"),
        ("check_finite", "no", ValueError, "check_finite must be"),
    ],
)
def test_what_is_assigned_is_checked_and_changes_nothing(name, value, error, says):
    opt = fastopt.Adam([X.copy()], lr=0.1)
    before = repr(opt), getattr(opt, name)
    with pytest.raises(error, match=says):
        setattr(opt, name, value)
    with pytest.raises(error) if name in ("lr", "betas") else pytest.raises((AttributeError, error)):
        setattr(opt.groups[0], name, value)
    assert (repr(opt), getattr(opt, name)) == before
    assert opt.clip_norm is None
    assert opt.maximize is False


@pytest.mark.parametrize("name", ["learning_rate", "beta1", "momentum", "_lr", "initial_accumulator_value"])
def test_an_unknown_attribute_is_refused(name):
    opt = fastopt.Adam(X.copy())
    for one in (opt, opt.groups[0]):
        with pytest.raises(AttributeError, match=name) as caught:
            setattr(one, name, 0.1)
        assert "\n" not in str(caught.value)
        with pytest.raises(AttributeError, match=name):
            getattr(one, name)


@pytest.mark.parametrize("name", ["t", "params", "state", "rule", "skipped", "groups"])
def test_what_is_read_only_is_refused(name):
    with pytest.raises(AttributeError, match=name):
        setattr(fastopt.Adam(X.copy()), name, None)


def test_groups_have_their_own_and_what_is_assigned_to_all_reaches_all():
    a, b = X.copy(), X.copy()
    opt = fastopt.SGD([{"params": a, "lr": 0.5}, {"params": b}], lr=0.25)
    with pytest.raises(AttributeError, match=r"^lr differs between the groups: read it as opt.groups\[i\].lr$"):
        opt.lr  # noqa: B018
    assert [group.lr for group in opt.groups] == [0.5, 0.25]
    assert opt.weight_decay == 0.0
    opt.groups[1].lr = schedules.constant(2.0)
    opt.groups[0].weight_decay = 0.5
    opt.step([np.ones(3), np.ones(3)])
    np.testing.assert_allclose(a, X - 0.5 * (1 + 0.5 * X))
    np.testing.assert_allclose(b, X - 2.0)
    opt.lr = 1.0
    assert [group.lr for group in opt.groups] == [1.0, 1.0] == [opt.lr, opt.lr]
    assert "lr=1.0" in repr(opt.groups[0])


def test_a_schedule_comes_and_goes():
    x = np.zeros(1)
    opt = fastopt.SGD(x, lr=1.0)
    opt.step(np.array([-1.0]))
    opt.lr = lambda step: 10.0 * step
    opt.step(np.array([-1.0]))
    assert x[0] == 11.0
    opt.lr = 0.5
    opt.step(np.array([-1.0]))
    assert x[0] == 11.5
    assert opt.lr == opt.state_dict()["hyper"]["lr"] == 0.5


def test_a_rule_of_ones_own_has_its_hyperparameters():
    def update(p, g, rate):
        return (p - rate * g,)

    rule = fastopt.Rule(name="own", update=update, coefficients=lambda t, rate: (rate,), hyper={"rate": 0.5})
    x = np.zeros(2)
    opt = fastopt.Optimizer(x, rule)
    assert isinstance(opt, fastopt.Optimizer)
    assert type(opt).__name__ == "own"
    opt.rate = 2.0
    opt.step(np.ones(2))
    assert x.tolist() == [-2, -2]
    bad = fastopt.Rule(name="bad", update=update, coefficients=lambda t, step: (step,), hyper={"step": 0.5})
    with pytest.raises(ValueError, match=r"rule 'bad' must not be named like an attribute, got 'step'"):
        fastopt.Optimizer(x, bad)


def loss(w, g, y):
    total = 0.0
    for i in range(y.size):
        r = w[0] - y[i]
        g[0] += r
        total += 0.5 * r * r
    return total


@pytest.mark.parametrize("compile_it", [lambda f: f, njit], ids=["python", "compiled"])
@pytest.mark.parametrize("change", ["lr", "weight_decay", "clip_norm", "maximize", "schedule"])
def test_fit_takes_what_a_callback_changes(change, compile_it):
    """As steps by hand do, to the bit."""
    y, function = np.array([1.0, 2.0, 4.0]), compile_it(loss)

    def alter(opt):
        values = {"lr": 0.01, "weight_decay": 0.5, "clip_norm": 0.1, "maximize": True}
        if change == "schedule":
            opt.lr = schedules.exponential(0.1, 0.5)
        else:
            setattr(opt, change, values[change])

    def callback(epoch, loss, opt):
        if epoch == 1:
            alter(opt)

    w, v = np.zeros(1), np.zeros(1)
    fastopt.fit(function, fastopt.Adam(w, lr=0.1), y, batch_size=None, epochs=5, callback=callback)
    opt = fastopt.Adam(v, lr=0.1)
    for epoch in range(5):
        g = np.zeros(1)
        loss(v, g, y)
        opt.step(g)
        callback(epoch, 0.0, opt)
    assert w.tobytes() == v.tobytes()
