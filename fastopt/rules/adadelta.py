"""Adadelta (Zeiler 2012): steps as long as past steps were, in the parameter's own unit, so no step size is needed.

Variant: PyTorch's, with a learning rate (1 is the paper). One root of the quotient instead of two roots.
``decoupled=True`` is θ ← θ − lr·λθ first, as in AdamW.
Agrees: PyTorch, optax, ensmallen. Differs: Keras has lr 1e-3, rho 0.95, eps 1e-7.
In float32 a parameter with |g| > 9e15 stands still: its quotient is below the smallest normal number.

Parameters
----------
lr
    Multiplies the step; it has no unit. 1 is the paper, and seldom needs a change.
rho
    ρ, how much of the averages v (of g²) and u (of Δ²) is kept each step: they look back over about 1/(1−ρ) steps.
eps
    Added inside both roots. It starts the rule: the first step is about √(eps/(1−ρ)) long, 0.003 by default, in the
    parameter's unit, and later ones grow from it. Raise it where the start is slow.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, -2.0])
>>> opt = fastopt.Adadelta(x)  # no step size to choose
>>> for _ in range(1000):
...     opt.step(2 * x * [1.0, 1e6])  # and the scale of a gradient does not matter
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .decay import decayable
from .rule import Rule


def coefficients(t, lr, rho, eps):
    return lr, rho, 1.0 - rho, eps


def update(p, g, v, u, lr, rho, rest, eps):
    v = rho * v + rest * g * g
    delta = sqrt((u + eps) / (v + eps)) * g
    u = rho * u + rest * (delta * delta)
    return p - lr * delta, v, u


HYPER = {"lr": 1.0, "rho": 0.9, "eps": 1e-6}
RANGES = {"lr": "[0, inf)", "rho": "[0, 1)", "eps": "[0, inf)"}

RULE = Rule(
    name="adadelta",
    label="Adadelta",
    update=update,
    coefficients=coefficients,
    state=("v", "u"),
    hyper=HYPER,
    ranges=RANGES,
    equation="v = ρv+(1−ρ)g²; Δ = √(u+eps)/√(v+eps)·g; u = ρu+(1−ρ)Δ²; θ ← θ − lr·Δ",
    doc=__doc__,
)
RULE = decayable(RULE)
