"""Adan (Xie et al. 2022): Adam with Nesterov's look-ahead, by an average of how the gradient changes.

Variant: the authors' code: betas are what is kept (the paper's are 1 less them), without its restart and its clipping.
``decoupled=True`` is its weight decay, the paper's: after the step, θ ← θ/(1 + lr·λ).
Agrees: the authors' code (its ``no_prox=False``), timm. Differs: optax squares g + (1−β₂)(g − g₋₁) and adds (1−β₂)v̂,
where the paper's β₂ is meant: the same at β₂ = ½ alone; and its decay comes before the step, as in AdamW.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit. Its authors take 5 to 10 times Adam's.
beta2
    β₂, how much of v, the running average of the gradient's change from step to step, is kept; and its weight beside m.
beta3
    β₃, how much of n, the running average of the squared look-ahead gradient, is kept each step.
decoupled
    Whether ``weight_decay`` shrinks the parameter itself, by the factor 1/(1 + lr·λ), and leaves the gradient alone.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.Adan(x, lr=fastopt.schedules.cosine(0.3, 200))
>>> for _ in range(200):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .decay import decayable, decayed_after
from .moments import RANGES, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, beta3, eps):
    root = sqrt(bias(beta3, t))
    pull, push = lr * root / bias(beta1, t), lr * root * beta2 / bias(beta2, t)
    on = 1.0 if t > 1 else 0.0
    kept = beta1, 1.0 - beta1, beta2, 1.0 - beta2, beta3, 1.0 - beta3
    return *kept, pull, push, eps * root, on, 0.0


def update(p, g, m, v, n, last, beta1, rest1, beta2, rest2, beta3, rest3, pull, push, eps, on, zero):
    change = on * (g - last)
    ahead = g + beta2 * change
    m, v, n = beta1 * m + rest1 * g, beta2 * v + rest2 * change, beta3 * n + rest3 * ahead * ahead
    last = g + zero  # as a sum, a subnormal g becomes zero, which all state is then; a copy would stay
    return p - (pull * m + push * v) / (sqrt(n) + eps), m, v, n, last


def keep(t, decay, lr, *others):
    return 1.0 / (1.0 + lr * decay)


HYPER = {"lr": 1e-3, "beta1": 0.98, "beta2": 0.92, "beta3": 0.99, "eps": 1e-8}
RANGES = RANGES | {"beta3": "[0, 1)"}

RULE = Rule(
    name="adan",
    label="Adan",
    update=update,
    coefficients=coefficients,
    state=("m", "v", "n", "last"),
    hyper=HYPER,
    ranges=RANGES,
    equation="v = β₂v+(1−β₂)(g−g₋₁); n = β₃n+(1−β₃)(g+β₂(g−g₋₁))²; θ ← θ − lr·(m̂ + β₂v̂)/(√n̂ + eps)",
    doc=__doc__,
)
RULE = decayable(RULE, keep, decayed_after)
