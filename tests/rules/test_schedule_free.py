"""The schedule-free rules: the weights of their average, and their average as an optimiser's."""

import numpy as np
import pytest
from reference import schedule_free_share
from stepping import BY_NAME, assert_close

import fastopt
from fastopt.rules.schedule_free import share

RULES = [BY_NAME["schedule_free_sgd"], BY_NAME["schedule_free_adamw"]]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@pytest.mark.parametrize("warmup_steps", [0.0, 0.5, 1.0, 2.0, 10.5, 20.0, 1000.0])
def test_the_closed_form_of_the_weights_is_their_sum(warmup_steps):
    for t in range(1, 60):
        assert share(t, warmup_steps) == pytest.approx(schedule_free_share(t, warmup_steps), rel=1e-13)
    assert share(1, warmup_steps) == 1.0


def test_sgd_by_hand():
    """z = 0.5, x = 0.5, y = 0.5; then z = -0.5, x = 0, y = -0.25."""
    y = np.array([1.0])
    opt = fastopt.ScheduleFreeSGD(y, lr=0.5, momentum=0.5)
    for g, expected in ((1.0, 0.5), (2.0, -0.25)):
        opt.step(np.array([g]))
        assert y[0] == expected
    assert (opt.state["z"][0], opt.averaged[0]) == (-0.5, 0.0)


@each_rule
def test_its_average_is_the_optimisers(rule):
    """Also of an array that had no gradient yet; and the first step starts from where the parameters are then."""
    x, y = np.array([1.0, 2.0]), np.array([3.0])
    opt = fastopt.Optimizer([x, y], rule, lr=0.5)
    assert [a.tolist() for a in opt.averaged] == [[1.0, 2.0], [3.0]]
    x += 1.0
    opt.step([np.zeros(2), None])
    assert [a.tolist() for a in opt.averaged] == [[2.0, 3.0], [3.0]]
    for _ in range(3):
        opt.step([np.ones(2), None])
    before, average = x.copy(), opt.averaged[0].copy()
    with opt.swapped():
        assert (x.tolist(), y.tolist()) == (average.tolist(), [3.0])
    assert (x.tolist(), opt.averaged[0].tolist()) == (before.tolist(), average.tolist())
    with pytest.raises(ValueError, match=f"ema and average must be None with {rule.label}, which has an average"):
        fastopt.Optimizer([x, y], rule, ema=0.5)
    with pytest.raises(ValueError, match="ema and average must be None"):
        getattr(fastopt, rule.label)(x, average="polyak")


@each_rule
def test_fit_evaluates_the_average(rule):
    X, Y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12.0)

    def loss(w, g, X, y):
        r = X @ w - y
        g += X.T @ r
        return 0.5 * (r @ r)

    opt = fastopt.Optimizer(np.zeros(2), rule, lr=0.01)
    hist = fastopt.fit(loss, opt, (X, Y), batch_size=4, epochs=3, validation=(X, Y))
    of_average, of_parameters = (loss(w, np.zeros(2), X, Y) for w in (opt.averaged, opt.params))
    assert hist.validation[-1] == of_average != of_parameters


@each_rule
def test_compiled_loops_start_at_the_parameters_too(rule):
    def value_and_grad(x, grad):
        grad[:] = 2.0 * (x - 3.0)
        return ((x - 3.0) ** 2).sum()

    x0 = np.array([1.0, 5.0])
    found = fastopt.minimize(value_and_grad, x0, method=rule, jac="inplace", options={"maxiter": 5, "lr": 0.1})
    x = x0.copy()
    opt = fastopt.Optimizer(x, rule, lr=0.1)
    for _ in range(5):
        opt.step(2.0 * (x - 3.0))
    assert_close([found.x], [x], "x")
