"""LaProp (Ziyin, Wang and Ueda 2020): Adam that divides each gradient by √v̂ first, and averages afterwards.

So momentum and the scale of gradients do not mix: any β₁ goes with any β₂.
Variant: the paper's, lr outside the average, so that a schedule acts at once on the whole step. ``decoupled=True``:
θ ← θ − lr·λθ first, as in AdamW.
Agrees: optax's scale_by_rms (with bias_correction) followed by its ema; at a constant lr the authors' code and timm.
Differs: those two keep lr inside m; the authors' decay comes after the step and is not multiplied by lr; timm's comes
after it, too.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam.
beta1
    β₁, how much of m, the running average of the divided gradients, is kept each step.
eps
    Added to the root, in the gradient's unit. Next to nothing by default: gradients of any size make steps of one
    length.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.LaProp(x, lr=fastopt.schedules.cosine(0.1, 200), betas=(0.9, 0.5))
>>> for _ in range(200):
...     opt.step(np.array([1e-9, 1e9]) * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps):
    root = sqrt(bias(beta2, t))
    return beta1, (1.0 - beta1) * root, beta2, 1.0 - beta2, lr / bias(beta1, t), eps * root


def update(p, g, m, v, beta1, gain, beta2, rest2, lr, eps):
    v = beta2 * v + rest2 * g * g
    m = beta1 * m + gain * g / (sqrt(v) + eps)
    return p - lr * m, m, v


HYPER = HYPER | {"lr": 4e-4, "eps": 1e-15}

RULE = Rule(
    name="laprop",
    label="LaProp",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER,
    ranges=RANGES,
    equation="v = β₂v+(1−β₂)g²; m = β₁m+(1−β₁)·g/(√v̂ + eps); θ ← θ − lr·m/(1−β₁ᵗ)",
    doc=__doc__,
)
RULE = decayable(RULE)
