"""What ``preset=`` makes of the rules, against those libraries' formulas; tests/conformance asks the libraries."""

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
    ours = run(fastopt.AdamW(np.ones(4), 0.01, weight_decay=decay, amsgrad=amsgrad, preset="keras"))
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
    np.testing.assert_allclose(run(fastopt.NAdam(np.ones(4), preset="keras")), p, rtol=1e-12)


def test_the_rmsprop_and_adagrad_of_keras():
    """keras/src/optimizers/rmsprop.py, whose momentum holds lr, and adagrad.py."""
    p, v, b, q, s = np.ones(4), 0.0, 0.0, np.ones(4), 0.1
    for k, g in enumerate(GRADS):
        v = 0.9 * v + 0.1 * g * g
        b = 0.5 * b + 0.01 * 0.9**k * g / np.sqrt(v + 1e-7)
        p = p - b
        s = s + g * g
        q = q - 0.01 * g / np.sqrt(s + 1e-7)
    ours = fastopt.RMSprop(np.ones(4), lambda k: 0.01 * 0.9**k, momentum=0.5, preset="keras")
    np.testing.assert_allclose(run(ours), p, rtol=1e-12)
    np.testing.assert_allclose(run(fastopt.Adagrad(np.ones(4), 0.01, preset="keras")), q, rtol=1e-12)


def test_the_momentum_of_keras_and_scikit_learn_holds_lr():
    """keras/src/optimizers/sgd.py and sklearn/neural_network/_stochastic_optimizers.py, with a falling lr."""
    for nesterov in (False, True):
        p, velocity = np.ones(4), 0.0
        for k, g in enumerate(GRADS):
            velocity = 0.9 * velocity - 0.01 * 0.9**k * g
            p = p + (0.9 * velocity - 0.01 * 0.9**k * g if nesterov else velocity)
        for preset in ("keras", "sklearn"):
            ours = fastopt.SGD(np.ones(4), lambda k: 0.01 * 0.9**k, momentum=0.9, nesterov=nesterov, preset=preset)
            np.testing.assert_allclose(run(ours) - 1, p - 1, rtol=1e-7)


def test_the_amsgrad_of_optax():
    """optax's scale_by_amsgrad: the maximum of corrected averages."""
    p, m, v, largest = np.ones(4), 0.0, 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        largest = np.maximum(largest, v / (1 - 0.999**t))
        p = p - 0.01 * m / (1 - 0.9**t) / (np.sqrt(largest) + 1e-8)
    for ours in (
        fastopt.AMSGrad(np.ones(4), 0.01, preset="optax"),
        fastopt.Adam(np.ones(4), 0.01, amsgrad=True, preset="optax"),
    ):
        np.testing.assert_allclose(run(ours), p, rtol=1e-12)


def test_the_adamax_of_keras():
    """keras/src/optimizers/adamax.py."""
    p, m, u = np.ones(4), 0.0, 0.0
    for t, g in enumerate(GRADS, 1):
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
        p = p - 1e-3 * m / ((1 - 0.9**t) * (u + 1e-7))
    np.testing.assert_allclose(run(fastopt.Adamax(np.ones(4), preset="keras")), p, rtol=1e-12)


def test_the_radam_of_optax_adds_eps_to_the_corrected_root():
    """optax's scale_by_radam."""
    p, m, v, limit = np.ones(4), 0.0, 0.0, 2 / (1 - 0.999) - 1
    for t, g in enumerate(GRADS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rho, step = limit - 2 * t * 0.999**t / (1 - 0.999**t), m / (1 - 0.9**t)
        if rho >= 5:
            step *= math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
            step = step / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        p = p - 1e-3 * step
    np.testing.assert_allclose(run(fastopt.RAdam(np.ones(4), preset="optax")), p, rtol=1e-12)
