"""RAdam (Liu et al. 2020): Adam that begins with plain momentum, until v has seen enough gradients to be trusted.

It takes the place of a warm-up of lr. By default the first five steps are lr·m̂, in the gradient's scale.
Variant: PyTorch's: eps is added to the uncorrected root. ``decoupled=True`` is its decoupled_weight_decay:
θ ← θ − lr·λθ first, as in AdamW.
Agrees: PyTorch. Differs: optax adds eps to the corrected root (``preset="optax"``, ``eps_before_correction=False``);
optax and thinc switch at ρₜ ≥ 5, and thinc counts each step twice.
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter stands still once v is in use, as in
PyTorch.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, once v is in use. Before, steps are lr times the
    average gradient, so very large gradients at the start want clipping (``clip_norm``).
eps_before_correction
    Whether eps is added to √v before the correction of v, and grows with it, instead of to √v̂.

Examples
--------
>>> import numpy as np, fastopt
>>> x, moved = np.zeros(1), []
>>> opt = fastopt.RAdam(x, lr=0.1)
>>> for _ in range(8):
...     before = x[0]
...     opt.step(np.array([0.5]))
...     moved.append(round(float(before - x[0]), 4))
>>> moved  # lr·m̂ five times, then short steps that grow as v gathers weight
[0.05, 0.05, 0.05, 0.05, 0.05, 0.0026, 0.0033, 0.0039]
"""

from math import sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, eps_before_correction):
    gathered = bias(beta2, t)
    limit = 2.0 / (1.0 - beta2) - 1.0
    r = limit - 2.0 * t * (1.0 - gathered) / gathered
    lr = lr / bias(beta1, t)
    use, eps_ = 0.0, 1.0  # the denominator is sqrt(v) + eps_ if v is in use, and 1 until the variance is tractable
    if r > 5.0:
        root = sqrt(gathered)
        lr *= sqrt((r - 4.0) * (r - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * r)) * root
        use, eps_ = 1.0, eps if eps_before_correction else eps * root
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, use, eps_


def update(p, g, m, v, beta1, rest1, beta2, rest2, lr, use, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - lr * m / (sqrt(v) + eps if use else eps), m, v  # 0 times an infinite v would be NaN


RULE = Rule(
    name="radam",
    label="RAdam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"eps_before_correction": True},
    ranges=RANGES,
    equation="ρₜ > 5: θ ← θ − lr·m̂·r·√(1−β₂ᵗ)/(√v + eps), else θ ← θ − lr·m̂",
    doc=__doc__,
)
RULE = decayable(RULE, before="eps_before_correction")
