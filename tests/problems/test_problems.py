"""Losses and test functions against SciPy: values, gradients, minima; dtypes, extreme inputs, wrong calls."""

import doctest
from collections import namedtuple
from functools import cache

import numba
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import check_grad, minimize, rosen
from scipy.special import expit, log_softmax
from sklearn.datasets import load_digits

from fastopt import problems
from fastopt.problems import functions, losses, pieces

RNG = np.random.default_rng(7)
N, D, HIDDEN, CLASSES = 20, 5, 4, 3
X = np.hstack([RNG.normal(size=(N, D - 1)), np.ones((N, 1))])
MLP_SHAPES = [(D, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]


def categorical(scores, y):
    return -log_softmax(scores, axis=1)[np.arange(len(y)), y].sum()


Case = namedtuple("Case", "y shapes reference")  # targets, shapes of the parameters, the loss by other means
BITS, LABELS = RNG.integers(0, 2, N), RNG.integers(0, CLASSES, N)
CASES = {
    "linear": Case(
        RNG.normal(size=N),
        [(D,)],
        lambda w, X, y: -stats.norm.logpdf(y, X @ w).sum() - len(y) / 2 * np.log(2 * np.pi),
    ),
    "logistic": Case(BITS, [(D,)], lambda w, X, y: -stats.bernoulli.logpmf(y, expit(X @ w)).sum()),
    "softmax": Case(LABELS, [(D, CLASSES)], lambda W, X, y: categorical(X @ W, y)),
    "poisson": Case(RNG.poisson(3, N), [(D,)], lambda w, X, y: -stats.poisson.logpmf(y, np.exp(X @ w)).sum()),
    "mlp": Case(LABELS, MLP_SHAPES, lambda p, X, y: categorical(np.tanh(X @ p.W1 + p.b1) @ p.W2 + p.b2, y)),
}
each_loss = pytest.mark.parametrize("name", CASES)
each_penalty = pytest.mark.parametrize("l2", [0.0, 0.3])
each_problem = pytest.mark.parametrize("problem", problems.CLASSICS, ids=lambda p: p.name)


@cache
def compiled(name, l2):
    return getattr(problems, name)(l2)


def theta_of(name, seed=0):
    return np.random.default_rng(seed).normal(size=sum(np.prod(s) for s in CASES[name].shapes))


def structured(name, theta):
    """The flat vector in the shape the loss wants: an array, or a namedtuple of arrays."""
    shapes = CASES[name].shapes
    parts = np.split(theta, np.cumsum([np.prod(s) for s in shapes])[:-1])
    arrays = [part.reshape(s).copy() for part, s in zip(parts, shapes)]
    return arrays[0] if len(arrays) == 1 else problems.MLPParams(*arrays)


def value_and_grad(name, theta, l2=0.0, rows=slice(None), dtype=np.float64):
    params = structured(name, theta.astype(dtype))
    grads = structured(name, np.full(theta.size, np.nan, dtype))  # a loss that only adds would leave NaN
    value = compiled(name, l2)(params, grads, X[rows].astype(dtype), CASES[name].y[rows])
    parts = grads if isinstance(grads, tuple) else [grads]
    return value, np.concatenate([g.ravel() for g in parts])


def assert_gradient_is_right(fun, jac, x):
    scale = max(1.0, np.linalg.norm(jac(x)))
    assert check_grad(fun, jac, x) <= 2e-6 * scale


@each_loss
@each_penalty
def test_loss_equals_the_formula(name, l2):
    theta, case = theta_of(name), CASES[name]
    expected = case.reference(structured(name, theta), X, case.y) + N * l2 / 2 * np.sum(theta**2)
    np.testing.assert_allclose(value_and_grad(name, theta, l2)[0], expected, rtol=1e-13)


@each_loss
@each_penalty
@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_the_loss(name, l2, seed):
    assert_gradient_is_right(
        lambda t: value_and_grad(name, t, l2)[0],
        lambda t: value_and_grad(name, t, l2)[1],
        theta_of(name, seed),
    )


@each_loss
@each_penalty
def test_batch_is_the_sum_of_its_examples(name, l2):
    theta = theta_of(name)
    value, grad = value_and_grad(name, theta, l2)
    single = [value_and_grad(name, theta, l2, slice(i, i + 1)) for i in range(N)]
    np.testing.assert_allclose(value, sum(v for v, _ in single), rtol=1e-13)
    np.testing.assert_allclose(grad, sum(g for _, g in single), rtol=1e-12, atol=1e-12)


@each_loss
@each_penalty
def test_float32_with_the_loss_in_float64(name, l2):
    theta = theta_of(name)
    value, grad = value_and_grad(name, theta, l2)
    value32, grad32 = value_and_grad(name, theta, l2, dtype=np.float32)
    assert isinstance(value32, float)
    assert grad32.dtype == np.float32
    np.testing.assert_allclose(value32, value, rtol=1e-5)
    many, _ = value_and_grad(name, theta, l2, np.tile(np.arange(N), 1000), np.float32)
    np.testing.assert_allclose(many, 1000 * value32, rtol=1e-6)  # in float32 the sum would drift
    np.testing.assert_allclose(grad32, grad, rtol=1e-4, atol=1e-5 * np.abs(grad).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits(dtype):
    X, grads = np.ones((2, 1), dtype), np.empty(1, dtype)
    for w in (1e4, -1e4):
        assert problems.logistic()(np.full(1, w, dtype), grads, X, np.array([0, 1])) == 1e4
        assert grads[0] == np.sign(w)
    W, grads = np.array([[1e4, 0.0, -1e4]], dtype), np.empty((1, 3), dtype)
    assert problems.softmax()(W, grads, X, np.array([0, 2])) == 2e4
    np.testing.assert_array_equal(grads, [[1, 0, -1]])


def test_the_cache_of_losses_sees_edits_of_their_pieces(monkeypatch):
    before = losses._digest.__wrapped__()
    assert before == losses._digest.__wrapped__()
    assert before in losses.linear().__qualname__
    monkeypatch.setattr(pieces, "gaussian", pieces.bernoulli)
    assert before != losses._digest.__wrapped__()


def test_losses_of_one_body_have_cache_files_of_their_own():
    made = [getattr(losses, name)() for name in ("linear", "logistic", "softmax", "poisson", "mlp")]
    assert len({loss.__qualname__ for loss in made}) == 5
    assert {loss.py_func.__code__ for loss in made[:4]} == {made[0].py_func.__code__}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh(dtype):
    x = np.concatenate([s * RNG.normal(size=500) for s in (1e-6, 0.1, 1, 10, 1e6)]).astype(dtype)
    x = np.concatenate([x, np.array([0, np.inf, -np.inf, np.nan], dtype)])[:, None]
    found = x.copy()
    pieces.tanh(found, np.zeros(1, dtype))
    np.testing.assert_allclose(found, np.tanh(x.astype(float)), rtol=6 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_mlp(dtype):
    start = problems.init_mlp(30, 20, 10, seed=3, dtype=dtype)
    shapes = {name: array.shape for name, array in start.items()}
    assert shapes == {"W1": (30, 20), "b1": (20,), "W2": (20, 10), "b2": (10,)}
    assert all(a.dtype == dtype and a.flags.c_contiguous for a in start.values())
    assert not start["b1"].any()
    assert not start["b2"].any()
    np.testing.assert_allclose(start["W1"].var(), 2 / (30 + 20), rtol=0.1)
    np.testing.assert_allclose(start["W2"].var(), 2 / (20 + 10), rtol=0.2)
    np.testing.assert_array_equal(start["W1"], problems.init_mlp(30, 20, 10, seed=3, dtype=dtype)["W1"])


@pytest.mark.parametrize("label", [-1, CLASSES])
def test_wrong_label(label):
    W, y = np.zeros((D, CLASSES)), np.full(N, label)
    with pytest.raises(ValueError, match="class labels from 0"):
        compiled("softmax", 0.0)(W, W.copy(), X, y)


@pytest.mark.parametrize("name", ["linear", "logistic", "poisson", "softmax", "mlp"])
def test_wrong_length(name):
    params = structured(name, theta_of(name))
    with pytest.raises(ValueError, match="same number of examples"):
        compiled(name, 0.0)(params, structured(name, theta_of(name)), X, CASES[name].y[:-1].copy())


@pytest.mark.parametrize("l2", [-1e-3, np.nan, np.inf])
def test_wrong_penalty(l2):
    with pytest.raises(ValueError, match="l2 must be finite and at least 0"):
        problems.linear(l2)


def test_softmax_on_digits_reaches_the_known_minimum():
    X, y = load_digits(return_X_y=True)
    X = np.hstack([X / 16, np.ones((len(X), 1))])
    loss = problems.softmax(1 / len(X))

    def fun(flat):
        grads = np.empty((65, 10))
        return loss(flat.reshape(65, 10), grads, X, y), grads.ravel()

    tight = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-7}
    result = minimize(fun, np.zeros(650), jac=True, method="L-BFGS-B", options=tight)
    assert result.fun == pytest.approx(362.135, abs=1e-3)


@each_problem
def test_gradient_of_the_function(problem):
    steps = np.random.default_rng(0).normal(scale=0.2, size=(10, problem.x0.size))
    for x in [problem.x0, *(problem.x0 + steps)]:
        assert_gradient_is_right(problem.fun, problem.jac, x)


@each_problem
def test_minimum(problem):
    assert problem.fun(problem.x_star) == pytest.approx(problem.f_star, abs=1e-12)
    np.testing.assert_allclose(problem.jac(problem.x_star), 0, atol=1e-13)
    result = minimize(problem.fun, problem.x0, jac=problem.jac, method="BFGS")
    assert result.fun == pytest.approx(problem.f_star, abs=1e-9)
    np.testing.assert_allclose(result.x, problem.x_star, atol=1e-5)


@each_problem
def test_compiles_as_it_is(problem):
    grad = np.full_like(problem.x0, np.nan)
    value = numba.njit(problem.fun_and_grad)(problem.x0.copy(), grad)
    np.testing.assert_allclose(value, problem.fun(problem.x0), rtol=1e-13)
    np.testing.assert_allclose(grad, problem.jac(problem.x0), rtol=1e-12)


@each_problem
def test_arrays_are_float64_and_read_only(problem):
    for array in (problem.x0, problem.x_star):
        assert array.dtype == np.float64
        assert not array.flags.writeable


@pytest.mark.parametrize("make", functions._ANY_D)
def test_any_dimension(make):
    problem = make(7)
    assert problem.x0.shape == problem.x_star.shape == (7,)
    assert problem.fun(problem.x_star) == pytest.approx(problem.f_star, abs=1e-12)
    assert_gradient_is_right(problem.fun, problem.jac, problem.x0)
    with pytest.raises(ValueError, match="d must be at least"):
        make(0)


def test_quadratic_has_the_condition_number():
    problem = problems.quadratic(6, condition=1e3, seed=5)
    hessian = np.array([problem.jac(problem.x_star + unit) for unit in np.eye(6)])
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    assert np.linalg.cond(hessian) == pytest.approx(1e3, rel=1e-10)


def test_formulas_as_published():
    x, y = point = np.array([0.3, -0.7])
    assert problems.rosenbrock(4).fun([0.1, -2, 3, 0.5]) == pytest.approx(rosen([0.1, -2, 3, 0.5]))
    a = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    b = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    assert problems.goldstein_price().fun(point) == pytest.approx(a * b, rel=1e-14)


@pytest.mark.parametrize("module", [losses, functions])
def test_examples_in_the_docstrings(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
