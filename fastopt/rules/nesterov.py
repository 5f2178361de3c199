"""Nesterov's accelerated gradient (Nesterov 1983; Sutskever et al. 2013): momentum that looks one step ahead.

Variant: PyTorch's, in which g is taken at θ itself and the look-ahead is folded into the step. ``decoupled=True`` is
θ ← θ − lr·λθ first, as in AdamW.
Agrees: PyTorch, optax, Apex. Differs: Keras and scikit-learn keep lr inside the velocity (``preset="keras"`` or
``"sklearn"``, ``lr_in_velocity=True``), b = μb + lr·g; θ ← θ − (lr·g + μb), the same at constant lr.

Parameters
----------
lr
    Step size, in GD's unit. As with Momentum, steps grow to 1/(1−μ) times as long where gradients agree. Up to 1/L,
    where L is the largest curvature, it is stable on convex losses.
momentum
    μ, how much of b is kept each step: it looks back over about 1/(1−μ) steps, 10 by default. Nearer to 1 for
    ill-conditioned problems, 0.99 say, and below it always.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.Nesterov(x, lr=0.02)
>>> for _ in range(150):
...     opt.step(np.array([1.0, 40.0]) * x)  # a narrow valley
>>> bool(abs(x).max() < 0.01)
True
"""

from .decay import decayable
from .rule import Rule


def coefficients(t, lr, momentum, lr_in_velocity):
    return (1.0, momentum, lr) if lr_in_velocity else (lr, momentum, 1.0)


def update(p, g, b, lr, momentum, gain):
    g = gain * g
    b = momentum * b + g
    return p - lr * (g + momentum * b), b


RULE = Rule(
    name="nesterov",
    label="Nesterov",
    update=update,
    coefficients=coefficients,
    state=("b",),
    hyper={"lr": 1e-3, "momentum": 0.9, "lr_in_velocity": False},
    ranges={"lr": "[0, inf)", "momentum": "[0, inf)"},
    equation="b = μb + g; θ ← θ − lr·(g + μb)",
    doc=__doc__,
)
RULE = decayable(RULE)
