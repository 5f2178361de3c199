"""StableAdamW (Wortsman et al. 2023): AdamW that shortens its step in arrays whose gradients are suddenly large.

The measure is the root mean square R of g/√v over an array, as in Adafactor's clipping of updates: where g outgrows
what v knows, R is above 1, and lr is divided by it. It takes the place of clipping gradients.
Variant: the paper's: m and v are kept corrected, as averages of growing length, which are Adam's m̂ and v̂. The decay is
multiplied by the shortened lr too.
Agrees: the authors' code (default lr 2e-3, weight_decay 0.2), optimi, pytorch-optimizer (default eps 1e-8).

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in AdamW.
beta2
    β₂, how much of v, the running average of the squared gradient, is kept each step: 100 steps by default.
eps
    Added to the root, in the gradient's unit; in R, the smallest that √v counts as.
weight_decay
    λ: each step shrinks the parameter by the factor 1 − lr·λ, or less where lr is divided by R.

Examples
--------
>>> import numpy as np, fastopt
>>> steps = {}
>>> for make in (fastopt.AdamW, fastopt.StableAdamW):
...     x = np.zeros(2)
...     opt = make(x, lr=0.1, betas=(0.0, 0.99), weight_decay=0.0)
...     for g in (*[1.0] * 200, 1000.0):
...         before = x[0]
...         opt.step(np.array([g, g]))
...     steps[make.__name__] = round(float(before - x[0]), 3)
>>> steps  # of a gradient a thousand times as large as the others
{'AdamW': 0.931, 'StableAdamW': 0.1}
"""

from math import sqrt

from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def corrected(beta, t):
    """What is kept of an average that needs no correction, and the weight of what comes in."""
    return beta * bias(beta, t - 1) / bias(beta, t), (1.0 - beta) / bias(beta, t)


def coefficients(t, lr, beta1, beta2, eps, weight_decay):
    return (*corrected(beta1, t), *corrected(beta2, t), eps, eps * eps, 1.0, lr, weight_decay)


def excess(p, g, m, v, beta1, rest1, beta2, rest2, eps, floor, one, lr, decay):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return g * g / (floor if v < floor else v)


def count(p, g, m, v, beta1, rest1, beta2, rest2, eps, floor, one, lr, decay):
    return one


def combine(c, sums, kept):
    excess, count = sums
    lr = c[7] if excess <= count else c[7] / sqrt(excess / count)  # R above 1, or NaN
    return (1.0 - lr * c[8], lr), kept


def update(p, g, m, v, beta1, rest1, beta2, rest2, eps, floor, one, lr, decay, keep, rate):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return keep * p - rate * m / (sqrt(v) + eps), m, v


RULE = Rule(
    name="stableadamw",
    label="StableAdamW",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    reduces={"excess": excess, "count": count},
    combine=combine,
    hyper=HYPER | {"beta2": 0.99, "eps": 1e-6, "weight_decay": 1e-2},
    ranges=RANGES | {"eps": "(0, inf)", "weight_decay": "[0, inf)"},
    equation="R² = mean(g²/max(v̂, eps²)); lr' = lr/max(1, R); θ ← θ − lr'·λθ; θ ← θ − lr'·m̂/(√v̂ + eps)",
    doc=__doc__,
)
