"""LAMB (You et al. 2020): Adam's direction, as long in each array as the array itself is, times lr.

Made for huge batches, where one lr must suit all layers. The length of an array is the root of its summed squares.
Variant: the paper's, with φ(z) = z: decay is a part of the direction u, and so of its length. Where ‖θ‖ or ‖u‖ is 0
their ratio counts as 1, so that an array of zeros can leave its place.
Agrees: optax (default weight_decay 0), and timm with ``always_adapt=True, max_grad_norm=None``.
Differs: timm and Apex first clip the norm of all gradients to 1 (``clip_norm=1.0``), and take the ratio 1 for arrays
without decay; Google's code in ALBERT corrects no bias (``bias_correction=False``); pytorch-optimizer divides lr by
1−β₁ᵗ instead, counts ‖θ‖ as 10 where it is more, and decouples the decay.

Parameters
----------
lr
    How far an array moves in a step, as a part of its own length: 1e-3 is a thousandth. Has no unit.
eps
    Added to Adam's root, in the gradient's unit. It may not be 0, for one parameter without any gradient would then
    make its whole array NaN.
weight_decay
    λ: adds λθ to Adam's direction, before its length is taken; the gradient and its averages stay without it.
bias_correction
    Whether to divide m and v by the weight that they have gathered since they started at 0. Without decay, and while
    eps does not count, the ratio takes it out again: what changes is how far lr reaches for an array of zeros.

Examples
--------
>>> import numpy as np, fastopt
>>> params = [np.array([30.0, 40.0]), np.array([0.03, 0.04])]
>>> opt = fastopt.LAMB(params, lr=0.1, weight_decay=0.0)
>>> opt.step([np.array([1.0, 1.0]), np.array([1.0, 1.0])])
>>> [w.round(4).tolist() for w in params]  # each has moved by a tenth of its length, 50 and 0.05
[[26.4645, 36.4645], [0.0265, 0.0365]]
"""

from math import sqrt

from .moments import HYPER, RANGES, moments
from .moments import coefficients as scales
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, weight_decay, bias_correction):
    return (*scales(t, 1.0, beta1, beta2, eps, bias_correction, False), weight_decay, lr)


def direction(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return gain * m / (sqrt(v) + eps) + decay * p, m, v


def square(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay, lr):
    return p * p


def square_of_direction(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay, lr):
    u, m, v = direction(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay)
    return u * u


def combine(c, sums, kept):
    length, of_direction = sqrt(sums[0]), sqrt(sums[1])
    trust = 1.0 if length == 0.0 or of_direction == 0.0 else length / of_direction
    return (c[-1] * trust,), kept


def update(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay, lr, rate):
    u, m, v = direction(p, g, m, v, beta1, rest1, beta2, rest2, gain, eps, decay)
    return p - rate * u, m, v


RULE = Rule(
    name="lamb",
    label="LAMB",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    reduces={"square": square, "square_of_direction": square_of_direction},
    combine=combine,
    hyper=HYPER | {"eps": 1e-6, "weight_decay": 1e-2, "bias_correction": True},
    ranges=RANGES | {"eps": "(0, inf)", "weight_decay": "[0, inf)"},
    equation="u = m̂/(√v̂ + eps) + λθ, m̂ and v̂ as Adam's; θ ← θ − lr·(‖θ‖/‖u‖)·u",
    doc=__doc__,
)
