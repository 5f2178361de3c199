"""What users do to gradients and steps: before=, after=, cautious=."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from numba import njit

import fastopt

N = 33


def cube(p, g):
    return g * g * g


def double(p, g):
    return g + g


def not_negative(p, new, g):
    return new if new > p - p else p - p


def half_way(p, new, g):
    return p + (new - p) * (new > new - new)  # all of it where new is positive, else none


@njit
def halved_by_numba(p, new, g):
    return p if new < p else new


def gradients(dtype, steps=8, size=N):
    return np.random.default_rng(0).standard_normal((steps, size)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_turn_behind_clipping_and_before_decay(dtype):
    p = np.random.default_rng(1).random(N).astype(dtype)
    q = p.copy()
    opt = fastopt.SGD(
        p, lr=0.5, before=(cube, double), after=(not_negative,), weight_decay=0.25, clip_value=0.75, maximize=True
    )
    for g in gradients(dtype):
        opt.step(g)
        g = -np.clip(g, -0.75, 0.75)
        g = g * g * g
        g = (g + g) + dtype(0.25) * q
        q = q - dtype(0.5) * g
        q = np.where(q > 0, q, dtype(0))
    np.testing.assert_array_equal(p, q)


def test_clipped_by_norm_first():
    p, (g,) = np.zeros(N), gradients(np.float64, 1)
    fastopt.SGD(p, lr=1.0, clip_norm=0.5, before=double).step(g)
    np.testing.assert_allclose(p, -2 * g * 0.5 / (np.linalg.norm(g) + 1e-6), rtol=1e-14)


def test_after_sees_the_gradient_that_the_rule_saw():
    seen = np.ones(3)
    fastopt.SGD(seen, lr=0.0, weight_decay=0.5, before=double, after=lambda p, new, g: g).step(np.full(3, 2.0))
    np.testing.assert_array_equal(seen, 4.5)


def test_numbas_functions_and_state():
    p = np.ones(2)
    opt = fastopt.Momentum(p, lr=1.0, after=halved_by_numba)
    opt.step(np.array([1.0, -1.0]))
    np.testing.assert_array_equal(p, [1.0, 2.0])
    np.testing.assert_array_equal(opt.state["b"], [1.0, -1.0])


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(("dtype", "near"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_cautious(dtype, near, parallel):
    size = 1000
    p = np.random.default_rng(1).random(size).astype(dtype)
    q, m, v = p.astype(float), np.zeros(size), np.zeros(size)
    opt = fastopt.Adam(p, lr=0.01, cautious=True, parallel=parallel)
    for t, g in enumerate(gradients(dtype, size=size), 1):
        opt.step(g)
        g = g.astype(float)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = 0.01 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        goes = step * g > 0
        q -= step * goes / max(goes.mean(), 1e-3)
    np.testing.assert_allclose(p, q, rtol=near, atol=near)
    np.testing.assert_allclose(opt.state["m"], m, rtol=1e-5 if dtype is np.float32 else 1e-13, atol=near)


def test_cautious_where_none_goes_and_with_nan():
    p = np.array([1.0, 1.0])
    opt = fastopt.Momentum(p, lr=0.1, momentum=0.9, cautious=True)
    opt.step(np.array([1.0, 1.0]))
    before = p.copy()
    opt.step(np.array([-0.1, -0.1]))  # b is still positive, so both would go up
    np.testing.assert_array_equal(p, before)
    opt.step(np.array([np.nan, 1.0]))
    assert np.isnan(p[0])
    assert p[1] < before[1]


def test_copies_have_the_same_functions():
    p, grads = np.ones(N), gradients(np.float64)
    opt = fastopt.Adam(p, lr=0.1, before=cube, after=not_negative, cautious=True)
    opt.step(grads[0])
    others = copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))
    for one in (opt, *others):
        for g in grads:
            one.step(g)
    for other in others:
        np.testing.assert_array_equal(other.params, p)
    assert opt.state_dict()["rule"] == "adam"


def bowl(x):
    total = 0.0
    for i in range(x.size):
        total += (i + 1.0) * (x[i] - 1.0) ** 2
    return total


def slope(x):
    return 2.0 * np.arange(1, x.size + 1) * (x - 1.0)


@pytest.mark.parametrize("options", [{"before": double}, {"after": half_way}, {"cautious": True}], ids=" ".join)
def test_in_minimize(options):
    options = {"maxiter": 15, "gtol": 0, "lr": 0.1, **options}
    x0, x = np.arange(5.0) + 3.0, np.arange(5.0) + 3.0
    opt = fastopt.Adam(x, **{k: v for k, v in options.items() if k not in ("maxiter", "gtol")})
    for _ in range(15):
        opt.step(slope(x))
    compiled = njit(bowl)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = [
            fastopt.minimize(bowl, x0, jac=slope, method="adam", options=options).x,
            fastopt.minimize(compiled, x0, method="adam", options=options).x,
            *fastopt.minimize_many(compiled, np.stack([x0, x0]), method="adam", options=options).x,
        ]
    for one in found:
        np.testing.assert_allclose(one, x, rtol=1e-14)


REFUSED = [
    ({"before": 3}, TypeError, "before must be a function (p, g) -> number, or a tuple of such, got 3"),
    ({"before": lambda g: g}, TypeError, "takes 1 positional argument but 2 were given"),
    ({"before": (cube, "x")}, TypeError, "got 'x'"),
    ({"after": lambda p, new, g: None}, TypeError, "after must be a function (p, new, g) -> number"),
    ({"cautious": 1}, TypeError, "cautious must be True or False, got 1"),
]


@pytest.mark.parametrize(("options", "error", "says"), REFUSED)
def test_refused(options, error, says):
    with pytest.raises(error) as caught:
        fastopt.Adam(np.ones(3), **options)
    assert says in str(caught.value)
    assert len(str(caught.value)) <= 300
    with pytest.raises(error):
        fastopt.minimize(bowl, np.ones(3), method="adam", options=options)


def test_cautious_needs_a_rule_without_sums():
    with pytest.raises(ValueError, match="cautious must be False with LAMB"):
        fastopt.LAMB(np.ones(3), cautious=True)


# --- found by a review -----------------------------------------------------------------------------------------------

FACTOR = 1.0


def by_factor(p, g):
    return FACTOR * g


def test_what_a_function_reads_is_read_anew(monkeypatch):
    """By each new optimiser, in one process."""
    for factor in (1.0, 5.0):
        monkeypatch.setattr(f"{__name__}.FACTOR", factor)
        x, y = np.zeros(1), np.zeros(1)
        fastopt.SGD(x, lr=1.0, before=by_factor).step(np.ones(1))
        assert x[0] == -factor
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            options = {"before": by_factor, "lr": 0.25, "maxiter": 1}
            y = fastopt.minimize(njit(bowl), [0.0], method="sgd", options=options).x
        assert y[0] == 0.5 * factor


def test_the_same_functions_make_one_rule():
    rules = {id(fastopt.SGD(np.zeros(1), before=lambda p, g: g + g).rule) for _ in range(5)}
    assert len(rules) == 1


def test_a_rules_own_before_comes_first():
    rule = fastopt.Rule(
        name="halving",
        update=lambda p, g, lr: (p - lr * g,),
        coefficients=lambda t, lr: (lr,),
        hyper={"lr": 1.0},
        before=lambda p, g: g - np.float64(0.75) * g,
    )
    x = np.zeros(1)
    fastopt.Optimizer(x, rule, before=double).step(np.ones(1))
    assert x[0] == -0.5


def fussy(p, g):
    if g != g:
        raise ValueError("not a number")
    return g


def test_functions_that_raise_are_refused():
    for function in (fussy, lambda p, g: fussy(p, g), njit(fussy)):
        with pytest.raises(
            TypeError, match="before must not raise, which compiled steps cannot tell, got a raise in line"
        ):
            fastopt.SGD(np.zeros(2), before=function)


def test_averages_that_a_rule_keeps_itself_refuse_after():
    for options in ({"after": not_negative}, {"cautious": True}):
        with pytest.raises(ValueError, match="after and cautious must be left out with ScheduleFreeSGD"):
            fastopt.ScheduleFreeSGD(np.zeros(2), **options)


def test_cautious_with_gradients_whose_product_with_the_step_is_zero():
    x = np.ones(3, np.float32)
    fastopt.SignSGD(x, lr=1e-3, cautious=True).step(np.full(3, 1e-36, np.float32))
    np.testing.assert_allclose(x, 0.999)


@pytest.mark.parametrize("method", ["sgd", "adam"])
def test_after_in_lanes(method):
    """Also of a rule without state, and with one coefficient."""
    options = {"after": not_negative, "maxiter": 5, "gtol": 0, "lr": 0.1}
    X0 = np.linspace(1.5, 3.0, 18).reshape(9, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        many = fastopt.minimize_many(njit(bowl), X0, method=method, options=options)
        one = fastopt.minimize(njit(bowl), X0[4], method=method, options=options)
    assert many.lanes > 1
    np.testing.assert_array_equal(many.x[4], one.x)
