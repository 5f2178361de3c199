"""SignSGD (Bernstein et al. 2018): every parameter moves by lr, up or down, as the sign of its gradient says.

No state. Made for many workers, which send a bit for each parameter; and the limit of Adam and RMSprop with averages
that remember nothing.
Variant: the paper's algorithm 1. The sign of 0 is 0, and of NaN is NaN.
Agrees: optax (sign_sgd), pytorch-optimizer (SignSGD with momentum 0).
``Lion(params, lr, betas=(0, 0))`` is SignSGD with decoupled decay.

Parameters
----------
lr
    How far every parameter moves in every step, in its own unit. Steps never shrink by themselves, so let lr fall
    (``schedules.cosine``). Batches want to be large: it ends where as many gradients point up as down, which is not
    the minimum where a few are larger.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(3)
>>> opt = fastopt.SignSGD(x, lr=0.25)
>>> opt.step(np.array([1e-6, -40.0, 0.0]))
>>> x
array([-0.25,  0.25,  0.  ])
"""

from .rule import Rule


def coefficients(t, lr):
    return lr, 1.0, 0.0


def sign(x, one, zero):
    return one if x > zero else -one if x < zero else x


def update(p, g, lr, one, zero):
    return (p - lr * sign(g, one, zero),)


RULE = Rule(
    name="signsgd",
    label="SignSGD",
    update=update,
    coefficients=coefficients,
    hyper={"lr": 1e-3},
    ranges={"lr": "[0, inf)"},
    equation="θ ← θ − lr·sign(g)",
    doc=__doc__,
)
