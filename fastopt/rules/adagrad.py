"""Adagrad (Duchi, Hazan and Singer 2011): s += g**2; theta <- theta - lr / (1 + (t-1)*lr_decay) * g / (sqrt(s) + eps).

Variant: PyTorch's: eps outside the root, s from ``initial_accumulator_value`` (0). With ``eps=0`` it is the textbook
rule, and a parameter whose s is still 0 does not move (no 0/0).
Agrees: PyTorch, ensmallen, Apex, bitsandbytes, DeepSpeed. Differs: optax and Keras put eps inside the root and start
s at 0.1, so their first steps are up to hundreds of times smaller.
Values below the smallest normal number count as zero, so in float32 ``eps=0`` ignores |g| < 1.1e-19.
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, lr_decay, eps):
    return lr / (1.0 + (t - 1) * lr_decay), eps, 0.0


def update(p, g, s, lr, eps, zero):
    s = s + g * g
    d = sqrt(s) + eps
    return p - (zero if d == zero else lr * g / d), s


RULE = Rule(
    name="adagrad",
    label="Adagrad",
    update=update,
    coefficients=coefficients,
    state=("s",),
    hyper={"lr": 1e-2, "lr_decay": 0.0, "eps": 1e-10},
    initial={"initial_accumulator_value": ("s", 0.0)},
    equation="s += g²; θ ← θ − lr/(1+(t−1)·lr_decay)·g/(√s + eps)",
    doc=__doc__,
)
