"""Prodigy (Mishchenko and Defazio 2024): Adam with decoupled decay, whose lr is an estimate d that only grows.

d estimates how far the start is from the solution, in the parameter that is farthest, by two sums over all arrays.
Variant: the authors' code, with β₃ = √β₂ and without its bound on d's growth; there s and r are divided by d0.
Agrees: the authors' ``prodigyopt``, pytorch-optimizer; optax's ``contrib.prodigy`` with ``bias_correction=True``.
Differs: with β₁ = 0 ``prodigyopt`` 1.1.2 multiplies the gradient by the d after the step, and v by that before it.
There all groups have one lr, or 0; here each has its own, and weighs in both sums with it.
A NaN in a gradient makes d and so every parameter NaN.

Parameters
----------
lr
    A factor on the rate that the rule finds. Leave it at 1, or let it fall from there (``schedules.cosine``).
eps
    Added to the root, times d, in the gradient's unit.
d0
    What d starts from. Too small costs some steps; too large cannot be undone.
d_coef
    A factor on every estimate of d; what to tune, if anything: 0.5 or 2.
weight_decay
    λ: each step shrinks the parameter by the factor 1 − lr·d·λ, whatever its gradient is.
bias_correction
    Whether lr is multiplied by √(1−β₂ᵗ)/(1−β₁ᵗ), as in Adam: shorter first steps.
safeguard_warmup
    Whether lr is left out of s, so that a small lr in a warm-up does not make d too large.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([4.0, -3.0])
>>> opt = fastopt.Prodigy(x)
>>> for _ in range(300):
...     opt.step(1.0 * x)  # the gradient of ½‖x‖²
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .moments import HYPER, RANGES, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, d_coef, weight_decay, bias_correction, safeguard_warmup):
    scale = lr * sqrt(bias(beta2, t)) / bias(beta1, t) if bias_correction else lr
    weight, fresh = (1.0 if safeguard_warmup else scale), (1.0 if t == 1 else 0.0)
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, sqrt(beta2), d_coef, scale, weight, eps, weight_decay, fresh, 0.0


def fall(p, g, m, v, s, p0, beta1, rest1, beta2, rest2, beta3, coef, scale, weight, eps, decay, fresh, zero, d, r):
    """How much lower a plane of this slope is here than at the start, times the weight of this step."""
    return zero if fresh != zero else d * d * scale * g * (p0 - p)


def size(p, g, m, v, s, p0, beta1, rest1, beta2, rest2, beta3, coef, scale, weight, eps, decay, fresh, zero, d, r):
    return abs(beta3 * s + d * d * weight * g)


def combine(c, sums, kept):
    d, r = kept[0], c[4] * kept[1] + sums[0]
    found = c[5] * r / sums[1] if sums[1] != 0.0 else 0.0
    after = d if found <= d else found  # NaN too
    return (d, after), (after, r)


def update(p, g, m, v, s, p0, b1, rest1, b2, rest2, b3, coef, scale, weight, eps, decay, fresh, zero, d, after):
    scaled = d * g
    m, v, s = b1 * m + rest1 * scaled, b2 * v + rest2 * scaled * scaled, b3 * s + d * weight * scaled
    start = (p if fresh != zero else p0) + zero  # of arithmetic, which leaves nothing subnormal
    return p - d * scale * (decay * p + m / (sqrt(v) + after * eps)), m, v, s, start


RULE = Rule(
    name="prodigy",
    label="Prodigy",
    update=update,
    coefficients=coefficients,
    state=("m", "v", "s", "p0"),
    initial={"d0": ("d", 1e-6)},
    reduces={"fall": fall, "size": size},
    combine=combine,
    keeps=("d", "r"),
    across=True,
    rate_free=True,
    hyper=HYPER | {"lr": 1.0, "d_coef": 1.0, "weight_decay": 0.0, "bias_correction": False, "safeguard_warmup": False},
    ranges=RANGES | {"eps": "(0, inf)", "d0": "(0, inf)", "d_coef": "(0, inf)", "weight_decay": "[0, inf)"},
    equation="m, v as Adam's of d·g; r = β₃r + d²·lr·⟨g, p0−θ⟩, s = β₃s + d²·lr·g, β₃ = √β₂; "
    "d' = max(d, d_coef·r/‖s‖₁); θ ← θ − d·lr·(λθ + m/(√v + d'·eps)); d = d'",
    doc=__doc__,
)
