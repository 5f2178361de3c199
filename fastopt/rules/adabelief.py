"""AdaBelief (Zhuang et al. 2020): Adam whose v is the spread of gradients around their average, not their size.

Where gradients agree with what m predicts, steps are long, however large the gradients are.
Variant: the paper's: eps is added to v in every step, where it stays, and to the corrected root too.
``decoupled=True``: θ ← θ − lr·λθ first, as in AdamW.
Agrees: optax (whose eps and eps_root are one number here), and with ``rectify=False`` the authors' code and timm.
Differs: those two rectify as RAdam does unless told not to, and they decouple the decay by default.

Parameters
----------
lr
    As in Adam, but it is no bound: steps are about lr times the gradients' average over their spread.
beta2
    β₂, how much of v, the running average of (g − m)², is kept each step.
eps
    Added to v, in the unit of g², and to its root. 1e-16 lets steps grow where gradients hardly change; its authors
    take 1e-8 for image classification.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(2)
>>> opt = fastopt.AdaBelief(x, lr=0.01)
>>> for t in range(50):
...     opt.step(np.array([1.0, (-1.0) ** t]))
>>> x.round(1)  # gradients that agree, and that do not
array([-1.2, -0. ])
"""

from math import sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps):
    root = sqrt(bias(beta2, t))
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr * root / bias(beta1, t), eps, eps * root


def update(p, g, m, v, beta1, rest1, beta2, rest2, lr, floor, eps):
    m = beta1 * m + rest1 * g
    v = beta2 * v + rest2 * (g - m) * (g - m) + floor
    return p - lr * m / (sqrt(v) + eps), m, v


RULE = Rule(
    name="adabelief",
    label="AdaBelief",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"eps": 1e-16},
    ranges=RANGES,
    equation="v = β₂v+(1−β₂)(g−m)² + eps; θ ← θ − lr·m̂/(√v̂ + eps), as Adam's",
    doc=__doc__,
)
RULE = decayable(RULE)
