"""Lion (Chen et al. 2023): every parameter moves by lr, up or down, as the sign of an averaged gradient says.

One state array where Adam has two.
Variant: the paper's, with decoupled decay times lr. The sign of 0 is 0, and of NaN is NaN.
Agrees: optax, bitsandbytes, DeepSpeed, Keras. Differs: optax's default weight_decay is 1e-3.

Parameters
----------
lr
    How far every parameter moves in every step, in its own unit: 3 to 10 times less than with AdamW. Steps never
    shrink by themselves, so let lr fall (``schedules.cosine``).
beta1
    β₁, the weight of m beside the gradient at hand, in the sign.
beta2
    β₂, how much of the average m is kept each step: it looks back over about 1/(1−β₂) steps, 100 by default.
weight_decay
    λ: each step shrinks the parameter by the factor 1 − lr·λ besides. 3 to 10 times more than with AdamW, so that lr·λ
    stays what it was.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(3)
>>> opt = fastopt.Lion(x, lr=0.25)
>>> opt.step(np.array([1e-6, -40.0, 0.0]))
>>> x
array([-0.25,  0.25,  0.  ])
"""

from .rule import Rule


def coefficients(t, lr, beta1, beta2, weight_decay):
    return 1.0 - lr * weight_decay, beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, 0.0


def update(p, g, m, keep, beta1, rest1, beta2, rest2, lr, zero):
    c = beta1 * m + rest1 * g
    step = lr if c > zero else -lr if c < zero else c
    return keep * p - step, beta2 * m + rest2 * g


RULE = Rule(
    name="lion",
    label="Lion",
    update=update,
    coefficients=coefficients,
    state=("m",),
    hyper={"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    ranges={"lr": "[0, inf)", "beta1": "[0, 1)", "beta2": "[0, 1)", "weight_decay": "[0, inf)"},
    equation="θ ← θ − lr·(sign(β₁m+(1−β₁)g) + λθ); m = β₂m+(1−β₂)g",
    doc=__doc__,
)
