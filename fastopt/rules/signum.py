"""Signum (Bernstein et al. 2018): every parameter moves by lr, up or down, as the sign of its average gradient says.

SignSGD with momentum; and Lion with β₁ = β₂, so ``Lion(params, lr, betas=(b, b))`` is Signum with decoupled decay
(MXNet's wd_lh).
Variant: the paper's algorithm 2: m is an average, which matters only beside ``weight_decay``. The sign of 0 is 0, and
of NaN is NaN.
Agrees: optax, pytorch-optimizer (SignSGD with momentum); MXNet, whose default lr is 0.01.

Parameters
----------
lr
    How far every parameter moves in every step, in its own unit: about a tenth of the lr that suits Adam. Steps never
    shrink by themselves, so let lr fall (``schedules.cosine``).
momentum
    β, how much of the average m is kept each step: it looks back over about 1/(1−β) steps, 10 by default.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(2)
>>> opt = fastopt.Signum(x, lr=0.25)
>>> for outlier in (1.0, 1.0, -1.5):  # outvoted by the average
...     opt.step(np.array([1.0, outlier]))
>>> x
array([-0.75, -0.75])
"""

from .rule import Rule
from .signsgd import sign


def coefficients(t, lr, momentum):
    return lr, momentum, 1.0 - momentum, 1.0, 0.0


def update(p, g, m, lr, momentum, rest, one, zero):
    m = momentum * m + rest * g
    return p - lr * sign(m, one, zero), m


RULE = Rule(
    name="signum",
    label="Signum",
    update=update,
    coefficients=coefficients,
    state=("m",),
    hyper={"lr": 1e-3, "momentum": 0.9},
    ranges={"lr": "[0, inf)", "momentum": "[0, 1)"},
    equation="m = βm+(1−β)g; θ ← θ − lr·sign(m)",
    doc=__doc__,
)
