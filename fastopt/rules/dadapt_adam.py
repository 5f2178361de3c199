"""D-Adapt Adam (Defazio and Mishchenko 2023): Adam whose lr is an estimate d that only grows.

d estimates how far the start is from the solution, in the parameter that is farthest, by two sums over all arrays.
`Prodigy` is its successor.
Variant: the authors' code, without its bound on d's growth and its factors of layers. ``decoupled=True``:
θ ← θ − lr·d·λθ too, as in AdamW.
Agrees: the authors' ``dadaptation``, pytorch-optimizer; optax's ``contrib.dadapt_adamw`` with ``bias_correction=True,
decoupled=True``. In the authors' code all groups have one lr, or 0; here each has its own.
A NaN in a gradient makes d and, from the next step on, every parameter NaN.

Parameters
----------
lr
    A factor on the rate that the rule finds. Leave it at 1, or let it fall from there (``schedules.cosine``).
d0
    What d starts from. Too small costs some steps; too large cannot be undone.
bias_correction
    Whether lr is multiplied by √(1−β₂ᵗ)/(1−β₁ᵗ), as in Adam: shorter first steps.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([4.0, -3.0])
>>> opt = fastopt.DAdaptAdam(x)
>>> for _ in range(300):
...     opt.step(1.0 * x)  # the gradient of ½‖x‖²
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def decoupled_coefficients(t, lr, beta1, beta2, eps, weight_decay, bias_correction):
    scale = lr * sqrt(bias(beta2, t)) / bias(beta1, t) if bias_correction else lr
    keep = sqrt(beta2)
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, keep, 1.0 - keep, scale, eps, weight_decay


def coefficients(t, lr, beta1, beta2, eps, bias_correction):
    return decoupled_coefficients(t, lr, beta1, beta2, eps, 0.0, bias_correction)


def gain(p, g, m, v, s, beta1, rest1, beta2, rest2, keep, rest, scale, eps, decay, d, r):
    return d * scale * g * (s / (sqrt(v) + eps))


def size(p, g, m, v, s, beta1, rest1, beta2, rest2, keep, rest, scale, eps, decay, d, r):
    return abs(keep * s + rest * (d * scale * g))


def combine(c, sums, kept):
    d, r, below = kept[0], c[4] * kept[1] + c[5] * sums[0], c[5] * sums[1]
    found = r / below if below != 0.0 else 0.0
    return (d,), (d if found <= d else found, r)  # NaN too


def update(p, g, m, v, s, beta1, rest1, beta2, rest2, keep, rest, scale, eps, decay, d):
    rate = d * scale
    _, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    m, s = beta1 * m + rest1 * (rate * g), keep * s + rest * (rate * g)
    return p - rate * decay * p - m / (sqrt(v) + eps), m, v, s


SHARED: dict = {"label": "DAdaptAdam", "update": update, "state": ("m", "v", "s"), "initial": {"d0": ("d", 1e-6)}}
SHARED |= {"reduces": {"gain": gain, "size": size}, "combine": combine, "keeps": ("d", "r")}
SHARED |= {"across": True, "rate_free": True, "doc": __doc__}
HYPER, RANGES = HYPER | {"lr": 1.0}, RANGES | {"eps": "(0, inf)", "d0": "(0, inf)"}
DECOUPLED = Rule(
    name="dadapt_adam_decoupled",
    coefficients=decoupled_coefficients,
    hyper=HYPER | {"weight_decay": 0.0, "bias_correction": False},
    ranges=RANGES | {"weight_decay": "[0, inf)"},
    **SHARED,
)

RULE = Rule(
    name="dadapt_adam",
    coefficients=coefficients,
    hyper=HYPER | {"bias_correction": False},
    ranges=RANGES,
    variants={("decoupled",): DECOUPLED},
    equation="r = κr + (1−κ)·d·lr·⟨g, s/(√v + eps)⟩, κ = √β₂; v as Adam's, m = β₁m + (1−β₁)·d·lr·g, "
    "s = κs + (1−κ)·d·lr·g; d ← max(d, r/((1−κ)‖s‖₁)); θ ← θ − m/(√v + eps)",
    **SHARED,
)
