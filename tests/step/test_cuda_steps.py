"""Steps on CUDA against the reference, parameters and state, for every rule."""

import numpy as np
import pytest
from on_cuda import SIMULATED, gpu, host, on_gpu
from reference import Reference
from stepping import BY_NAME, CASES, COMPILED, DTYPES, NEAR_SUMS, assert_close, leaves, name_of, problem

import fastopt

SIZES = [(0,), (1,), (31,), (32,), (33,), (255,), (256,), (257,), (1000,)]


def enough(name):
    """How many steps to take: beyond RAdam's switch at 6; the simulator takes 50 ms for each."""
    return 3 if SIMULATED and name != "radam" else 8


def assert_same(opt, ref):
    assert opt.t == ref.t
    assert_close(
        leaves(host(opt.params)), ref.params, f"parameters, t={ref.t}", NEAR_SUMS if opt.rule.reduces else None
    )
    state, across = opt.state_dict()["state"], opt.rule.across and leaves(host(opt.params))[0].dtype == np.float32
    for slot in () if across else opt.rule.state:  # see assert_same_steps
        assert_close(
            leaves(state[slot]), ref.state[slot], f"{slot}, t={ref.t}", NEAR_SUMS if opt.rule.reduces else None
        )


@pytest.mark.parametrize(("name", "dtype"), [*((name, np.float32) for name in COMPILED), ("adam", np.float64)])
def test_sizes(name, dtype):
    """Below, at and above whole tiles, which are of as many elements in either dtype."""
    params, grads = problem(dtype, steps=2, shapes=SIZES)
    params[1:3] = [np.ones_like(p) for p in params[1:3]]  # a tolerance relative to one element needs one of size 1
    grads = [[np.ones_like(g) if g.size < 32 else g for g in at_step] for at_step in grads]
    opt, ref = on_gpu(name, params), Reference(name, params)
    for g in grads:
        opt.step(gpu(g))
        ref.step(g)
    assert_same(opt, ref)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(("name", "hyper"), [case for case in CASES if case[0] in COMPILED], ids=name_of)
def test_rule(name, hyper, dtype):
    params, grads = problem(dtype, steps=enough(name))
    opt, ref = on_gpu(name, params, **hyper), Reference(name, params, **hyper)
    for g in grads:
        opt.step(gpu(g))
        ref.step(g)
        assert_same(opt, ref)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("name", COMPILED)
def test_capturable_counts_on_the_device(name, dtype):
    params, grads = problem(dtype, steps=enough(name))
    opt, ref = on_gpu(name, params, capturable=True), Reference(name, params)
    for g in grads:
        opt.step(gpu(g))
        ref.step(g)
    assert_same(opt, ref)


def test_own_rule_with_helpers():
    def coefficients(t, lr, beta):
        return lr / t, beta, 1.0 - beta, 0.0

    def sign(m, lr, zero):
        return lr if m > zero else -lr if m < zero else m

    globals().update(sign_of_mine=sign)

    def update(p, g, m, lr, beta, rest, zero):
        m = beta * m + rest * g
        return p - sign_of_mine(m, lr, zero), m  # noqa: F821

    rule = fastopt.Rule(
        name="mine", update=update, coefficients=coefficients, state=("m",), hyper={"lr": 0.5, "beta": 0.9}
    )
    x, y, g = gpu(np.ones(40)), np.ones(40), np.linspace(-1, 1, 40)
    a, b = fastopt.Optimizer(x, rule), fastopt.Optimizer(y, rule)
    for _ in range(3):
        a.step(gpu(g))
        b.step(g)
    np.testing.assert_allclose(host(x), y, 1e-14)
    assert not np.array_equal(y, np.ones(40))


def test_more_state_than_any_rule_has():
    def update(p, g, a, b, c, d, e, lr):
        return p - lr * (a + b + c + d + e), g, a, b, c, d

    def coefficients(t, lr):
        return (lr,)

    rule = fastopt.Rule(name="five", update=update, coefficients=coefficients, state=tuple("abcde"), hyper={"lr": 1.0})
    x = gpu(np.zeros(70))
    opt = fastopt.Optimizer(x, rule)
    for _ in range(7):
        opt.step(gpu(np.ones(70)))
    assert (host(x) == -(0 + 1 + 2 + 3 + 4 + 5 + 5)).all()


def test_nan_in_nan_out():
    for name, rule in BY_NAME.items():
        if rule.reduces:  # where it reaches the whole array
            continue
        x = gpu(np.ones(20))
        g = np.ones(20)
        g[3] = np.nan
        opt = fastopt.Optimizer(x, rule)
        opt.step(gpu(g))
        bad = np.isnan(host(x))
        assert np.flatnonzero(bad).tolist() == [3], name
