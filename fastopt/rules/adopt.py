"""ADOPT (Taniguchi et al. 2024): divides the gradient by the root of the squares before it, then averages.

The gradient at hand is not in its own denominator, which is why it converges with any β₂.
Variant: the authors' second: what is averaged is clipped to ±(t−1)^¼ in step t; ``use_clipping=False`` is their first.
The first step moves nothing, and sets v = g².
``decoupled=True``: θ ← θ − lr·λθ first, as in AdamW, but not in the first step.
Agrees: the authors' code, optax. Differs: timm clips to (t−1)^0.333.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam.
beta1
    β₁, how much of m, the running average of the divided gradients, is kept each step.
beta2
    β₂, how much of v, the running average of the squared gradient, is kept each step: 10 000 steps by default.
eps
    The smallest denominator, in the gradient's unit: it takes the place of the root where that is smaller.
clip_exp
    The exponent of the bound (t−1)^clip_exp.
use_clipping
    Whether there is a bound. Without it, one early gradient much larger than the first is a huge step.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(1)
>>> opt = fastopt.ADOPT(x, lr=0.1, betas=(0.0, 0.9999))
>>> moved = []
>>> for g in (1.0, 1.0, 50.0):
...     before = x[0]
...     opt.step(np.array([g]))
...     moved.append(round(float(before - x[0]), 3))
>>> moved  # not at all, by lr, and by what the bound leaves of 50·lr
[0.0, 0.1, 0.119]
"""

from math import inf, sqrt

from .decay import decayable
from .moments import HYPER, RANGES
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, clip_exp, use_clipping):
    if t == 1:  # v = g², and m stays
        return 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0
    bound = float(t - 1) ** clip_exp if use_clipping else inf
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, eps, bound


def update(p, g, m, v, beta1, rest1, beta2, rest2, lr, eps, bound):
    d = sqrt(v)
    u = g / (eps if d < eps else d)
    m = beta1 * m + rest1 * (bound if u > bound else -bound if u < -bound else u)
    return p - lr * m, m, beta2 * v + rest2 * g * g


def keep(t, decay, lr, *others):
    return 1.0 - lr * decay if t > 1 else 1.0


HYPER = HYPER | {"beta2": 0.9999, "eps": 1e-6, "clip_exp": 0.25}
RANGES = RANGES | {"clip_exp": "[0, inf)"}

RULE = Rule(
    name="adopt",
    label="ADOPT",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"use_clipping": True},
    ranges=RANGES,
    equation="m = β₁m+(1−β₁)·clip(g/max(√v, eps), ±(t−1)^clip_exp); θ ← θ − lr·m; v = β₂v+(1−β₂)g²",
    doc=__doc__,
)
RULE = decayable(RULE, keep, before="use_clipping")
