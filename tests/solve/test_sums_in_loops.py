"""Rules with sums in compiled loops: the same as step by step."""

import warnings

import numpy as np
import pytest
from numba import njit
from reduced import Reduced
from stepping import DTYPES, name_of
from with_sums import ALL, BOTH, EACH

import fastopt
from fastopt import jit

STEPS, OPTIONS = 15, {"maxiter": 15, "gtol": 0}
LAMB = next(rule for rule in fastopt.RULES if rule.name == "lamb")


def bowl(x, g):
    total = 0.0
    for i in range(x.size):
        g[i] = (i + 1) * (x[i] - 1)
        total += 0.5 * (i + 1) * (x[i] - 1) ** 2
    return total


compiled = njit(bowl)


def stepped(rule, x0):
    oracle, g = Reduced(rule, [x0]), np.empty_like(x0)
    for _ in range(STEPS):
        bowl(oracle.params[0], g)
        oracle.step([g.copy()])
    return oracle.params[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("rule", [*BOTH, LAMB], ids=name_of)
def test_minimize_and_many(rule, dtype):
    X0 = np.random.default_rng(0).normal(size=(40, 5)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        ones = [fastopt.minimize(compiled, x0, jac="inplace", method=rule, options=OPTIONS).x for x0 in X0[:3]]
        many = fastopt.minimize_many(compiled, X0, jac="inplace", method=rule, options=OPTIONS)
        python = fastopt.minimize(bowl, X0[0], jac="inplace", method=rule, options=OPTIONS).x
        python_many = fastopt.minimize_many(bowl, X0[:3], jac="inplace", method=rule, options=OPTIONS).x
    near = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ones[0], stepped(rule, X0[0]), rtol=near, atol=near)
    np.testing.assert_array_equal(ones, many.x[:3])
    if dtype == np.float64:  # in float32 Numba's gradient is another than NumPy's
        np.testing.assert_array_equal(ones[0], python)
        np.testing.assert_array_equal(ones, python_many)
    assert many.lanes == 1


def test_lanes_are_refused():
    with pytest.raises(
        TypeError, match="lanes must be None or 1 here, got 4: each_by_sums sums over the variables of one"
    ):
        fastopt.minimize_many(compiled, np.ones((2, 3)), jac="inplace", method=EACH, options={"lanes": 4})


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.5, "weight_decay": 0.1}], ids=str)
@pytest.mark.parametrize("rule", BOTH, ids=name_of)
def test_fit_compiled_and_not(rule, options):
    def loss(w, g, X, y):
        total = 0.0
        for i in range(y.size):
            r = w.c[0] - y[i]
            for j in range(X.shape[1]):
                r += X[i, j] * w.w[j]
            for j in range(X.shape[1]):
                g.w[j] += r * X[i, j]
            g.c[0] += r
            total += 0.5 * r * r
        return total

    X = np.random.default_rng(0).normal(size=(24, 3))
    y, found = X @ np.arange(3.0) - 1.0, []
    for one in (loss, njit(loss)):
        params = {"w": np.ones(3), "c": np.ones(1)}
        opt = fastopt.Optimizer(params, rule, **options)
        fastopt.fit(one, opt, (X, y), batch_size=5, epochs=2)
        found.append([*params.values(), *(np.array(str(opt.state[name])) for name in rule.keeps)])
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(found[0][0], np.ones(3))


def test_jit():
    step, alone = jit.step(ALL), jit.lamb

    @njit
    def run(x, steps):
        g, m, v, kept = np.empty_like(x), np.zeros_like(x), np.zeros_like(x), np.array([1.5, 0.0])
        y, n = x.copy(), np.zeros_like(x)
        for t in range(1, steps + 1):
            bowl_of(x, g)
            step(x, g, m, kept, t, 0.05)
            bowl_of(y, g)
            alone(y, g, n, v, t, 1e-3)
        return kept, y

    bowl_of = compiled
    x, x0 = np.arange(4.0), np.arange(4.0)
    kept, y = run(x, STEPS)
    np.testing.assert_allclose(x, stepped(ALL, x0), rtol=1e-12)
    np.testing.assert_allclose(y, stepped(LAMB, x0), rtol=1e-12)
    assert kept[0] > 1.5
    assert "length (1.5 before the first step), weight (0 before the first step)" in step.__doc__
    with pytest.raises(ValueError, match="kept must have one number for each that the rule keeps"):
        step(x, x.copy(), x.copy(), np.zeros(1), 1, 0.1)
    for kept in (np.zeros(2, int), np.zeros((2, 1)), np.zeros(4)[::2]):
        with pytest.raises(TypeError, match="kept must be a contiguous array of float64 of one dimension"):
            step(x, x.copy(), x.copy(), kept, 1, 0.1)
