"""What the rules' docstrings say of other libraries' variants, against those libraries' formulas."""

import math

import numpy as np
import pytest

import fastopt

STEPS = 30
GRADS = np.random.default_rng(0).normal(size=(STEPS, 4)) * 1e-6  # so small that the place of eps shows


def run(opt):
    for g in GRADS:
        opt.step(g)
    return opt.params


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_adam_of_keras(amsgrad, decay):
    """keras/src/optimizers/adam.py: alpha = lr·√(1−β₂ᵗ)/(1−β₁ᵗ); p −= m·alpha/(√v + eps)."""
    p, m, v, largest = np.ones(4), 0.0, 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        p = p - p * decay * 0.01
        m, v = m + (g - m) * (1 - 0.9), v + (g * g - v) * (1 - 0.999)
        largest = np.maximum(largest, v)
        alpha = 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = p - m * alpha / (np.sqrt(largest if amsgrad else v) + 1e-7)
    eps = lambda step: 1e-7 / math.sqrt(1 - 0.999 ** (step + 1))  # noqa: E731
    assert "1e-7 / math.sqrt(1 - 0.999 ** (step + 1))" in fastopt.Adam.__doc__
    ours = run(fastopt.AdamW(np.ones(4), 0.01, eps=eps, weight_decay=decay, amsgrad=amsgrad))
    np.testing.assert_allclose(ours, p, rtol=1e-12)


def test_the_nadam_of_keras():
    """keras/src/optimizers/nadam.py, whose μₜ is β₁(1 − ½·0.96ᵗ)."""
    p, m, v, product = np.ones(4), 0.0, 0.0, 1.0
    for t, g in enumerate(GRADS, 1):
        now, following = (0.9 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
        product *= now
        m, v = m + (g - m) * (1 - 0.9), v + (g * g - v) * (1 - 0.999)
        ahead = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
        p = p - ahead * 1e-3 / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
    np.testing.assert_allclose(run(fastopt.NAdam(np.ones(4), 1e-3, momentum_decay=1, eps=1e-7)), p, rtol=1e-12)


def test_the_rmsprop_and_adagrad_of_keras():
    """keras/src/optimizers/rmsprop.py, whose momentum holds lr, and adagrad.py."""
    p, v, b, q, s = np.ones(4), 0.0, 0.0, np.ones(4), 0.1
    for g in GRADS:
        v = 0.9 * v + 0.1 * g * g
        b = 0.5 * b + 0.01 * g / np.sqrt(v + 1e-7)
        p = p - b
        s = s + g * g
        q = q - 0.01 * g / np.sqrt(s + 1e-7)
    ours = fastopt.RMSprop(np.ones(4), 0.01, alpha=0.9, eps=1e-7, eps_in_sqrt=True, momentum=0.5)
    np.testing.assert_allclose(run(ours), p, rtol=1e-12)
    ours = fastopt.Adagrad(np.ones(4), 0.01, eps=1e-7, eps_in_sqrt=True, initial_accumulator_value=0.1)
    np.testing.assert_allclose(run(ours), q, rtol=1e-12)
