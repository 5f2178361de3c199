"""MADGRAD (Defazio and Jelassi 2021): dual averaging from the start, over the cube root of the summed squares.

θ is a running average (``momentum``) of z, the point that all gradients so far lead to from x0, where θ began.
Variant: the authors' code: their lr is lr + eps, and x0 is a state array, with ``momentum=0`` too. ``decoupled=True``
is timm's: θ ← θ − lr·λθ first, as in AdamW (the authors' multiplies λ by lr + eps).
Agrees: facebookresearch/madgrad, timm, pytorch-optimizer (default lr 1e-3). PyTorch, optax and Keras have none.
In float32 v is infinite after one |g| > 1.8e20, or many > 1.8e19: the parameter then goes back to its start.

Parameters
----------
lr
    Not a step's length: like that of the first step to the power 3/2, over the root of the gradient's size. Tune it by
    itself; schedules are those of SGD. It may not be 0.
momentum
    How much of θ is kept beside z each step: steps are 1/(1−momentum) times shorter, and smoother.
eps
    Added to the cube root; 0 is allowed, and is better where gradients are tiny.
weight_decay
    λ, L2 decay: adds λθ to the gradient. As z never forgets its start, it wants far less than other rules, often none.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.MADGRAD(x, lr=0.1)
>>> for _ in range(300):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .cube_root import cube_root
from .decay import decayable
from .rule import Rule


def coefficients(t, lr, momentum, eps):
    first, later = (1.0, 0.0) if t == 1 else (0.0, 1.0)
    return first, later, (lr + eps) * sqrt(t), momentum, 1.0 - momentum, eps, 1.0, 0.0


def averaged(p, g, v, s, x0, gain, momentum, rest, eps, one, zero):
    v, s = v + gain * g * g, s + gain * g
    d = cube_root(v, one) + eps
    return momentum * p + rest * (x0 - (zero if d == zero else s / d)), v, s, x0


def update(p, g, v, s, x0, first, later, gain, momentum, rest, eps, one, zero):
    return averaged(p, g, v, s, first * p + later * x0, gain, momentum, rest, eps, one, zero)


def decayed(p, g, v, s, x0, first, later, gain, momentum, rest, eps, one, zero, keep):
    """The parameter alone, and not what it starts from."""
    return averaged(keep * p, g, v, s, first * p + later * x0, gain, momentum, rest, eps, one, zero)


HYPER = {"lr": 1e-2, "momentum": 0.9, "eps": 1e-6}
RANGES = {"lr": "(0, inf)", "momentum": "[0, 1)", "eps": "[0, inf)"}

RULE = Rule(
    name="madgrad",
    label="MADGRAD",
    update=update,
    coefficients=coefficients,
    state=("v", "s", "x0"),
    hyper=HYPER,
    ranges=RANGES,
    equation="λₜ = (lr+eps)√t; s += λₜg; v += λₜg²; z = x0 − s/(∛v + eps); θ ← momentum·θ + (1−momentum)·z",
    doc=__doc__,
)
RULE = decayable(RULE, form=decayed, ranges={"momentum": "(0, 1)"})  # nothing of θ is kept with momentum 0
