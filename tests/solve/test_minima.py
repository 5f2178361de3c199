"""Where the optimisers end: SciPy's minimum of convex problems on real data; exact iterates on a quadratic."""

from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import fastopt
from fastopt import problems, schedules


def with_ones(X):
    return np.c_[X, np.ones(len(X))]


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return with_ones(standardised(X)), y


def linear():
    X, y = diabetes()
    return problems.linear(), (X, standardised(y)), 11


def ridge():
    X, y = diabetes()
    return problems.linear(l2=0.1), (X, standardised(y)), 11


def poisson():
    """The progression of the disease in units of 50: counts from 0 to 7."""
    X, y = diabetes()
    return problems.poisson(), (X, np.rint(y / 50)), 11


def logistic():
    X, y = load_breast_cancer(return_X_y=True)
    return problems.logistic(l2=0.01), (with_ones(standardised(X)), y), 31


def softmax():
    X, y = load_digits(return_X_y=True)
    return problems.softmax(l2=0.01), (with_ones(X[:300] / 16), y[:300]), (65, 10)


ITERATIONS = {linear: 3000, ridge: 1000, poisson: 3000, logistic: 2000, softmax: 1500}

# The learning rate of each problem, in that order. Those in CONSTANT keep it; with the others a step's length does not
# vanish with the gradient, so it falls to 0 along a cosine.
RATES = {
    "GD": (1e-3, 1e-3, 2e-4, 5e-3, 5e-3),
    "SGD": (1e-3, 1e-3, 2e-4, 5e-3, 5e-3),
    "Momentum": (1e-3, 1e-3, 2e-4, 1e-3, 1e-3),
    "Nesterov": (5e-4, 2e-4, 2e-4, 2e-3, 1e-3),
    "Adagrad": (0.2, 0.2, 0.1, 1.0, 0.5),
    "Adadelta": (1.0, 1.0, 3.0, 3.0, 3.0),
    "RMSprop": (0.01, 0.01, 0.01, 0.01, 0.01),
    "Adam": (0.1, 0.1, 0.1, 0.2, 0.1),
    "AdamW": (0.1, 0.1, 0.1, 0.2, 0.1),
    "AMSGrad": (0.2, 0.1, 0.1, 0.2, 1.0),
    "Adamax": (0.2, 0.1, 0.1, 1.0, 1.0),
    "NAdam": (0.05, 0.1, 0.05, 0.2, 0.1),
    "RAdam": (0.1, 0.1, 0.1, 0.2, 0.1),
    "Lion": (1e-3, 5e-3, 2e-3, 2e-3, 5e-3),
    "Rprop": (0.01, 0.01, 0.01, 0.01, 0.01),  # any would do
    "RpropMinus": (0.01, 0.01, 0.01, 0.01, 0.01),
    "ASGD": (1e-3, 1e-3, 2e-4, 5e-3, 5e-3),
    "QHM": (2e-3, 2e-3, 1e-3, 5e-3, 1e-2),
    "QHAdam": (0.1, 0.1, 0.1, 0.2, 0.1),
    "MADGRAD": (0.1, 0.1, 0.03, 0.3, 0.1),
    "FTRL": (0.2, 0.2, 0.1, 1.0, 0.5),
    "SignSGD": (None, 1e-3, None, 2e-3, 2e-3),  # None: where it takes more steps, to and fro across a valley
    "Signum": (2e-3, 2e-3, 2e-3, 2e-3, 5e-3),
    "MemorylessBFGS": (1e-3, 1e-3, 1e-3, 1e-3, 1e-3),
}
CONSTANT = (
    "GD",
    "SGD",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "Rprop",
    "RpropMinus",
    "ASGD",
    "QHM",
    "FTRL",
    "MemorylessBFGS",
)
CASES = [(problem, rule, rate) for rule, rates in RATES.items() for problem, rate in zip(ITERATIONS, rates) if rate]


@cache
def minimum(problem):
    """SciPy's, at a gradient that is zero to rounding."""
    loss_and_grad, data, shape = problem()

    def fun(flat):
        grads = np.empty(shape)
        return loss_and_grad(flat.reshape(shape), grads, *data), grads.ravel()

    tight = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-8, "maxls": 50}
    found = minimize(fun, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B", options=tight)
    assert abs(found.jac).max() <= 1e-4
    return loss_and_grad, data, shape, found.fun


@pytest.mark.parametrize(("problem", "rule", "rate"), CASES)
def test_reaches_the_minimum(problem, rule, rate):
    loss_and_grad, data, shape, f_star = minimum(problem)
    steps = ITERATIONS[problem]
    lr = rate if rule in CONSTANT else schedules.cosine(rate, steps)
    if rule == "RAdam":  # its first five steps are the gradient's own, a sum over all examples: they would go far
        lr = schedules.chain((0.0, 5), lr)
    params, grads = np.zeros(shape), np.empty(shape)
    opt = getattr(fastopt, rule)(params, lr=lr, weight_decay=0.0)
    for _ in range(steps):
        loss_and_grad(params, grads, *data)
        opt.step(grads)
    gap = (loss_and_grad(params, grads, *data) - f_star) / max(1.0, abs(f_star))
    assert -1e-9 <= gap <= 1e-6


def test_every_constructor_is_here():
    """But for those that have a neighbour here, and their own tests against it in tests/rules, and averages, which come
    near a minimum slowly."""
    others = ["AdaBelief", "Yogi", "AdEMAMix", "ADOPT", "LaProp", "Adan", "ScheduleFreeSGD", "ScheduleFreeAdamW"]
    others += [rule.label for rule in fastopt.RULES if rule.reduces and rule.label not in RATES]
    assert [*RATES, *others] == sorted([rule.label for rule in fastopt.RULES], key=lambda name: name in others)


# ---------------------------------------------------------------- on a quadratic, in its eigenvectors, all is linear

STEPS = (0, 1, 2, 10, 100, 300)
QUADRATIC = problems.quadratic(8, condition=50.0, seed=3)


def axes():
    """The eigenvalues of the quadratic, its eigenvectors, and how far x0 is from the minimum along them."""
    A = np.array([QUADRATIC.jac(QUADRATIC.x_star + unit) for unit in np.eye(8)])
    values, vectors = np.linalg.eigh((A + A.T) / 2)
    return values, vectors, vectors.T @ (QUADRATIC.x0 - QUADRATIC.x_star)


def trajectory(opt):
    """What is left of the way to the minimum, along the eigenvectors, after each of STEPS."""
    _, vectors, _ = axes()
    grads = np.empty(8)
    for step in range(max(STEPS) + 1):
        if step in STEPS:
            yield vectors.T @ (opt.params - QUADRATIC.x_star)
        QUADRATIC.fun_and_grad(opt.params, grads)
        opt.step(grads)


def assert_is(opt, closed_form):
    values, _, start = axes()
    for k, left in zip(STEPS, trajectory(opt)):
        expected = [e * closed_form(value, k) for value, e in zip(values, start)]
        np.testing.assert_allclose(left, expected, rtol=0, atol=1e-12 * abs(start).max())


def power(matrix, k, start):
    """The first component of a linear recurrence after k steps."""
    return (np.linalg.matrix_power(np.array(matrix), k) @ start)[0]


@pytest.mark.parametrize("lr", [0.005, 0.02, 0.039])
@pytest.mark.parametrize("make", [fastopt.GD, fastopt.SGD])
def test_gradient_descent_shrinks_each_axis_by_its_factor(make, lr):
    """eₖ = (1 − lr·λ)ᵏ·e₀"""
    assert_is(make(QUADRATIC.x0.copy(), lr=lr), lambda value, k: (1 - lr * value) ** k)


@pytest.mark.parametrize(("lr", "mu"), [(0.02, 0.5), (0.02, 0.9), (0.07, 0.99)])
def test_momentum_is_the_heavy_ball(lr, mu):
    """Polyak's eₖ₊₁ = eₖ − lr·λ·eₖ + μ(eₖ − eₖ₋₁), from rest."""

    def closed_form(value, k):
        return power([[1 - lr * value + mu, -mu], [1, 0]], k, [1, 1])

    assert_is(fastopt.Momentum(QUADRATIC.x0.copy(), lr=lr, momentum=mu), closed_form)
    assert_is(fastopt.SGD(QUADRATIC.x0.copy(), lr=lr, momentum=mu), closed_form)


@pytest.mark.parametrize(("lr", "mu"), [(0.02, 0.5), (0.02, 0.9), (0.013, 0.99)])
def test_nesterov_steps_from_where_it_looks_ahead(lr, mu):
    """Nesterov's xₖ₊₁ = yₖ − lr·∇f(yₖ), yₖ₊₁ = xₖ₊₁ + μ(xₖ₊₁ − xₖ), from rest; the parameters are the yₖ."""

    def closed_form(value, k):  # of the pair (yₖ, xₖ)
        shrink = 1 - lr * value
        return power([[(1 + mu) * shrink, -mu], [shrink, 0]], k, [1, 1])

    assert_is(fastopt.Nesterov(QUADRATIC.x0.copy(), lr=lr, momentum=mu), closed_form)
    assert_is(fastopt.SGD(QUADRATIC.x0.copy(), lr=lr, momentum=mu, nesterov=True), closed_form)


def test_momentum_at_its_best_rate_beats_gradient_descent_by_the_square_root_of_the_condition():
    """Polyak's optimal lr and μ contract by (√κ−1)/(√κ+1) per step; gradient descent's by (κ−1)/(κ+1)."""
    low, high = 1.0, 50.0
    root = np.sqrt(high / low)
    rate = (root - 1) / (root + 1)
    momentum = fastopt.Momentum(QUADRATIC.x0.copy(), lr=(2 / (low**0.5 + high**0.5)) ** 2, momentum=rate**2)
    plain = fastopt.GD(QUADRATIC.x0.copy(), lr=2 / (low + high))
    fast, slow = (np.linalg.norm(list(trajectory(opt))[4]) for opt in (momentum, plain))  # after 100 steps
    start = np.linalg.norm(axes()[2])
    assert slow <= start * ((high - low) / (high + low)) ** 100 * (1 + 1e-9)
    assert rate**100 * 0.01 * start <= fast <= 1000 * rate**100 * start
