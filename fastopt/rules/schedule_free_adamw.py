"""Schedule-free AdamW (Defazio et al. 2024): Adam's steps, averaged in the place of a schedule that lets lr fall.

The parameters are y, where gradients are taken, between z, which steps, and x, z's average, which is the point to
evaluate: ``opt.averaged``, ``with opt.swapped()``, and what ``fit`` does with ``validation``. ``minimize`` returns y.
Variant: the authors' code, its r = 0 and weight_lr_power = 2, with x beside z instead of worked out from y. Steps are
weighted as with a constant lr: by one, or while lr warms up by its square; a schedule changes steps, not weights.
Agrees: the authors' package and, without a warm-up, which it weights a step apart, optax.contrib.schedule_free_adamw.

Parameters
----------
lr
    About the longest step that z takes, as in Adam. Constant; larger than with a schedule, 1 to 10 times as large.
beta1
    β₁, how far y lies from z towards x; it is in the place of the average of the gradient.
warmup_steps
    In how many steps lr rises evenly to what it is; 0 for none.
weight_decay
    λ, decoupled decay at y: z ← z − lr·λθ.

Examples
--------
>>> import numpy as np, fastopt
>>> rng, y = np.random.default_rng(0), np.zeros(2)
>>> opt = fastopt.ScheduleFreeAdamW(y, lr=0.05)
>>> for _ in range(3000):
...     opt.step(y - [1.0, 2.0] + rng.normal(size=2))  # noisy gradients, and an lr that never falls
>>> opt.averaged.round(1)
array([1., 2.])
"""

from math import sqrt

from .moments import HYPER, RANGES, bias
from .rule import Rule
from .schedule_free import begins, share, warmed


def coefficients(t, lr, beta1, beta2, eps, weight_decay, warmup_steps):
    gain, root, lr = share(t, warmup_steps), sqrt(bias(beta2, t)), warmed(t, lr, warmup_steps)
    weights = 1.0 - gain, gain, beta1, 1.0 - beta1
    return *begins(t), beta2, 1.0 - beta2, lr * root, eps * root, lr * weight_decay, *weights


def update(p, g, v, z, average, fresh, later, beta2, rest2, lr, eps, decay, rest, gain, beta1, other):
    start = fresh * p
    v = beta2 * v + rest2 * g * g
    z = start + later * z - (lr * g / (sqrt(v) + eps) + decay * p)
    average = rest * (start + later * average) + gain * z
    return beta1 * average + other * z, v, z, average


RULE = Rule(
    name="schedule_free_adamw",
    label="ScheduleFreeAdamW",
    update=update,
    coefficients=coefficients,
    state=("v", "z", "average"),
    hyper=HYPER | {"lr": 2.5e-3, "weight_decay": 0.0, "warmup_steps": 0.0},
    ranges=RANGES | {"weight_decay": "[0, inf)", "warmup_steps": "[0, inf)"},
    evaluates="average",
    equation="v = β₂v+(1−β₂)g²; z = z − lr·(g/(√v̂ + eps) + λθ); x = (1−1/t)x + z/t; θ ← (1−β₁)z + β₁x",
    doc=__doc__,
)
