"""Schedule-free SGD (Defazio et al. 2024): an average of the steps in the place of a schedule that lets lr fall.

The parameters are y, where gradients are taken, between z, which steps, and x, z's average, which is the point to
evaluate: ``opt.averaged``, ``with opt.swapped()``, and what ``fit`` does with ``validation``. ``minimize`` returns y.
Variant: the authors' code, its r = 0 and weight_lr_power = 2, with x beside z instead of worked out from y. Steps are
weighted as with a constant lr: by one, or while lr warms up by its square; a schedule changes steps, not weights.
Agrees: the authors' package and, without a warm-up, which it weights a step apart, optax.contrib.schedule_free_sgd.

Parameters
----------
lr
    Step size of z. Constant; larger than with a schedule, 1 to 50 times as large.
momentum
    β, how far y lies from z towards x: with 0 it is z, and x averages plain SGD as Polyak did; with 1 it is x.
warmup_steps
    In how many steps lr rises evenly to what it is; 0 for none.

Examples
--------
>>> import numpy as np, fastopt
>>> rng, y = np.random.default_rng(0), np.zeros(2)
>>> opt = fastopt.ScheduleFreeSGD(y, lr=0.2)
>>> for _ in range(3000):
...     opt.step(y - [1.0, 2.0] + rng.normal(size=2))  # noisy gradients, and an lr that never falls
>>> opt.averaged.round(1)
array([1., 2.])
"""

from .rule import Rule
from .schedule_free import begins, share, warmed


def coefficients(t, lr, momentum, warmup_steps):
    gain = share(t, warmup_steps)
    return *begins(t), warmed(t, lr, warmup_steps), 1.0 - gain, gain, momentum, 1.0 - momentum


def update(p, g, z, average, fresh, later, lr, rest, gain, momentum, other):
    start = fresh * p
    z = start + later * z - lr * g
    average = rest * (start + later * average) + gain * z
    return momentum * average + other * z, z, average


RULE = Rule(
    name="schedule_free_sgd",
    label="ScheduleFreeSGD",
    update=update,
    coefficients=coefficients,
    state=("z", "average"),
    hyper={"lr": 1.0, "momentum": 0.9, "warmup_steps": 0.0},
    ranges={"lr": "[0, inf)", "momentum": "[0, 1]", "warmup_steps": "[0, inf)"},
    evaluates="average",
    equation="z = z − lr·g; x = (1−1/t)x + z/t; θ ← (1−β)z + βx",
    doc=__doc__,
)
