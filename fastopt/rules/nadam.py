"""NAdam (Dozat 2016): Adam with Nesterov's look-ahead, and a momentum that grows during training.

Variant: PyTorch's. The product Πₜ has a closed form, so a step needs no running scalar and resumes exactly.
Agrees: PyTorch, ensmallen. Differs: Keras uses 0.96ᵗ (``momentum_decay=1``); optax's nadam keeps β₁ constant
(``momentum_decay=1e4``).

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam; it may be a little larger.
momentum_decay
    ψ, how soon the momentum μₜ rises from β₁/2 to β₁: half of the way is done after 17/ψ steps, 4250 by default.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.NAdam(x, lr=fastopt.schedules.cosine(0.1, 200))
>>> for _ in range(200):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import expm1, log, log1p, sqrt

from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def factor(t, beta1, momentum_decay):
    """mu_t."""
    return beta1 * (1.0 - 0.5 * 0.96 ** (t * momentum_decay))


def log_product(t, beta1, momentum_decay):
    """log(mu_1*...*mu_t) = t*log(beta1) - sum over k of (1/2)**k/k * q**k * (1-q**(kt))/(1-q**k), q = 0.96**decay.

    The sum is the series of log(1 - q**i/2), added up over i first; 53 terms reach the last bit of a float64.
    """
    logq = momentum_decay * log(0.96)
    total = t * log(beta1)
    if logq == 0.0:
        return total + t * log1p(-0.5)
    one, many = expm1(logq), expm1(t * logq)
    power, all_powers, half = one, many, 0.5
    for k in range(1, 54):
        total -= half / k * (1.0 + power) * all_powers / power
        power += one + power * one  # expm1(k*logq) -> expm1((k+1)*logq)
        all_powers += many + all_powers * many
        half *= 0.5
    return total


def coefficients(t, lr, beta1, beta2, eps, momentum_decay):
    now, following = factor(t, beta1, momentum_decay), factor(t + 1, beta1, momentum_decay)
    root = sqrt(bias(beta2, t))
    logp = log_product(t, beta1, momentum_decay) if beta1 > 0.0 else -1e3  # the product of zeros
    nextp = logp + log(following) if beta1 > 0.0 else -1e3
    gain = -lr * root * (1.0 - now) / expm1(logp)
    pull = -lr * root * following / expm1(nextp)
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, gain, pull, eps * root


def update(p, g, m, v, beta1, rest1, beta2, rest2, gain, pull, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - (gain * g + pull * m) / (sqrt(v) + eps), m, v


RULE = Rule(
    name="nadam",
    label="NAdam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"lr": 2e-3, "momentum_decay": 4e-3},
    ranges=RANGES | {"momentum_decay": "[0, inf)"},
    equation="μₜ = β₁(1−½·0.96^(tψ)); θ ← θ − lr·[(1−μₜ)g/(1−Πₜ) + μₜ₊₁m/(1−Πₜ₊₁)]/(√v̂ + eps)",
    doc=__doc__,
)
