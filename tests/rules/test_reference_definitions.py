"""The oracle against what a rule is by definition, where no peer that is installed has the rule."""

import numpy as np
import pytest
from reference import Reference

STEPS = 60


def gradients(seed, size=40):
    """Of several sizes, with zeros here and there."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(STEPS, size)) * 10.0 ** rng.integers(-2, 2, (STEPS, size))
    g[::7, ::5] = 0.0
    return rng.normal(size=size), g


def least(slope, curvature, l1):
    """Where slope·w + ½·curvature·w² + l1·|w| is least, found by its one-sided derivatives alone."""
    low, high = np.full_like(slope, -1e6), np.full_like(slope, 1e6)
    for _ in range(80):
        w = (low + high) / 2
        falls = slope + curvature * w + np.where(w < 0, -l1, l1) < 0  # to the right of w
        low, high = np.where(falls, w, low), np.where(falls, high, w)
    return (low + high) / 2


@pytest.mark.parametrize(("beta", "l1", "l2"), [(0.0, 0.0, 0.0), (1.0, 0.0, 0.3), (0.5, 5.0, 0.1)])
def test_ftrl_follows_the_regularised_leader(beta, l1, l2):
    """θ is the least point of Σ gᵢ·w + ½ Σ σᵢ(w−θᵢ)² + l1·|w| + ½(l2 + β/lr)·w², Σ σᵢ = √s/lr."""
    _, grads = gradients(1)
    grads[0] = 1.0
    lr, w = 0.1, np.zeros(40)
    ref = Reference("ftrl", [w], lr=lr, beta=beta, l1=l1, l2=l2)
    slope, sigmas, squares, rested = 0.0, 0.0, 0.0, 0
    for g in grads:
        sigma = (np.sqrt(squares + g * g) - np.sqrt(squares)) / lr
        slope, sigmas, squares = slope + g - sigma * w, sigmas + sigma, squares + g * g
        w = least(slope, sigmas + l2 + beta / lr, l1)
        ref.step([g])
        np.testing.assert_allclose(ref.params[0], w, rtol=1e-9, atol=1e-9)
        w, rested = ref.params[0], rested + np.count_nonzero(ref.params[0] == 0.0)
    assert (rested > 100) == (l1 > 0.0)


def test_ftrl_without_penalties_is_adagrad():
    start, grads = gradients(2)
    grads[0] = 0.5  # a parameter without any gradient goes to 0 in ftrl
    ftrl, adagrad = (Reference(rule, [start], lr=0.1, **more) for rule, more in (("ftrl", {}), ("adagrad", {"eps": 0})))
    for g in grads:
        ftrl.step([g])
        adagrad.step([g])
        np.testing.assert_allclose(ftrl.params[0], adagrad.params[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_madgrad_averages_the_dual(decay):
    """By the paper's algorithm 1, with all sums made anew in each step."""
    start, grads = gradients(3)
    lr, eps, momentum = 0.05, 1e-3, 0.8
    ref = Reference("madgrad_decoupled", [start], lr=lr, eps=eps, momentum=momentum, weight_decay=decay)
    plain = Reference("madgrad", [start], lr=lr, eps=eps, momentum=momentum)
    x = start
    for k, g in enumerate(grads):
        weights = (lr + eps) * np.sqrt(np.arange(1.0, k + 2))[:, None]
        s, v = (weights * grads[: k + 1]).sum(axis=0), (weights * grads[: k + 1] ** 2).sum(axis=0)
        z = start - s / (v ** (1 / 3) + eps)
        x = momentum * (1 - lr * decay) * x + (1 - momentum) * z
        ref.step([g])
        plain.step([g])
        np.testing.assert_allclose(ref.params[0], x, rtol=1e-11, atol=1e-12)
        if not decay:
            np.testing.assert_array_equal(plain.params[0], ref.params[0])


@pytest.mark.parametrize(("nu1", "nu2"), [(0.7, 1.0), (1.0, 0.6), (0.4, 0.9)])
def test_qhadam_weighs_two_sums(nu1, nu2):
    """m̂ and v̂ as the weighted means of all gradients and squares that they are."""
    start, grads = gradients(4)
    lr, eps, beta1, beta2 = 0.05, 1e-3, 0.8, 0.95
    ref = Reference("qhadam", [start], lr=lr, eps=eps, beta1=beta1, beta2=beta2, nu1=nu1, nu2=nu2)
    x = start
    for k, g in enumerate(grads):
        ages = np.arange(k, -1.0, -1.0)
        mean, square = (
            np.average(grads[: k + 1] ** power, axis=0, weights=beta**ages) for power, beta in ((1, beta1), (2, beta2))
        )
        x = x - lr * ((1 - nu1) * g + nu1 * mean) / (np.sqrt((1 - nu2) * g**2 + nu2 * square) + eps)
        ref.step([g])
        np.testing.assert_allclose(ref.params[0], x, rtol=1e-11, atol=1e-12)


def test_stableadamw_divides_lr_where_gradients_outgrow_their_mean():
    """By weighted means of all gradients and squares; here R is above 1 in some steps and below in others."""
    start, grads = gradients(5)
    lr, eps, beta1, beta2, decay = 0.05, 1e-3, 0.8, 0.95, 0.3
    ref = Reference("stableadamw", [start], lr=lr, eps=eps, beta1=beta1, beta2=beta2, weight_decay=decay)
    x, above = start, 0
    for k, g in enumerate(grads):
        ages = np.arange(k, -1.0, -1.0)
        mean, square = (
            np.average(grads[: k + 1] ** power, axis=0, weights=beta**ages) for power, beta in ((1, beta1), (2, beta2))
        )
        rms = np.sqrt((g**2 / np.maximum(square, eps**2)).mean())
        rate, above = lr / max(1.0, rms), above + (rms > 1.0)
        x = x - rate * (decay * x + mean / (np.sqrt(square) + eps))
        ref.step([g])
        np.testing.assert_allclose(ref.params[0], x, rtol=1e-11, atol=1e-12)
    assert 5 < above < 55
