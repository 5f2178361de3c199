"""NovoGrad (Ginsburg et al. 2019): momentum of gradients that are divided by the averaged length of their array's.

One v for a whole array, so that there is one state array where Adam has two. It looks over all of a gradient first.
Variant: the paper's: v starts at the first ‖g‖² that is not 0, and m sums what it is given (no factor 1−β₁). eps is
added to the root in the first step too, as in all code.
Agrees: timm; optax and pytorch-optimizer, if the first gradient is not 0. ``grad_averaging`` of timm is lr times 1−β₁.
Differs: optax's defaults are β₂ = 0.25 (also the paper's, for speech) and eps = 1e-6; Apex corrects for bias, and
averages, unless told not to.

Parameters
----------
lr
    Of the first step, the length of an array's whole change, in the parameter's unit; where gradients agree steps grow
    to 1/(1−β₁) times that, 20 by default.
beta1
    β₁, how much of m, the running sum of the divided gradients, is kept each step.
beta2
    β₂, how much of v, the running average of ‖g‖², is kept each step: it looks back over about 1/(1−β₂) steps, 50 by
    default.
eps
    Added to the root, in the unit of the gradient's length.
weight_decay
    λ: adds λθ to the divided gradient, and so to m.

Examples
--------
>>> import numpy as np, fastopt
>>> params = [np.zeros(2), np.zeros(2)]
>>> opt = fastopt.NovoGrad(params, lr=0.1)
>>> opt.step([np.array([3.0, -4.0]), np.array([3e-4, 4e-4])])
>>> [w.round(3).tolist() for w in params]  # each array has moved by lr, against its gradient
[[-0.06, 0.08], [-0.06, -0.08]]
"""

from math import sqrt

from .moments import HYPER, RANGES
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, weight_decay):
    return beta1, weight_decay, lr, beta2, 1.0 - beta2, eps


def square(p, g, m, beta1, decay, lr, beta2, rest2, eps, v):
    return g * g


def combine(c, sums, kept):
    v = sums[0] if kept[0] == 0.0 else c[3] * kept[0] + c[4] * sums[0]
    below = sqrt(v) + c[5]
    return (1.0 / below if below != 0.0 else 0.0,), (v,)


def update(p, g, m, beta1, decay, lr, beta2, rest2, eps, scale):
    m = beta1 * m + (scale * g + decay * p)
    return p - lr * m, m


RULE = Rule(
    name="novograd",
    label="NovoGrad",
    update=update,
    coefficients=coefficients,
    state=("m",),
    reduces={"square": square},
    combine=combine,
    keeps=("v",),
    hyper=HYPER | {"beta1": 0.95, "beta2": 0.98, "weight_decay": 0.0},
    ranges=RANGES | {"weight_decay": "[0, inf)"},
    equation="v = β₂v+(1−β₂)‖g‖²; m = β₁m + g/(√v + eps) + λθ; θ ← θ − lr·m",
    doc=__doc__,
)
