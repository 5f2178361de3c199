"""LARS (You et al. 2017): momentum whose gradient is, in each array, as long as a fixed part of the array itself.

Made for huge batches, where one lr must suit all layers. The length of an array is the root of its summed squares.
Variant: the paper's: the two lengths in the denominator are added, and lr is inside b, so that what b holds of earlier
steps keeps the lr of those. Where ‖θ‖ or the denominator is 0 the ratio counts as 1.
Agrees: with lr constant timm (``always_adapt=True``, and but for its eps of 1e-8), and pytorch-optimizer for arrays of
two dimensions and more; those have lr outside b, as `Momentum` here. Without decay optax.
Differs: optax divides by the length ‖g + λθ‖ of the sum; timm takes the ratio 1 for arrays without decay,
pytorch-optimizer for those of one dimension, and Apex's LARC bounds the ratio by what makes steps of SGD.

Parameters
----------
lr
    A factor on the ratio: without momentum an array moves by lr·trust_coefficient of its own length in a step, and by
    1/(1−momentum) times that where gradients agree. Has no unit. 1 is timm's default. An array of zeros, as biases
    start, moves by lr·g: give such arrays a group with an lr like SGD's.
momentum
    How much of the last step b is kept: it looks back over about 1/(1−momentum) steps, 10 by default.
trust_coefficient
    η, how long the gradient is made, as a part of the array's length.
weight_decay
    λ: adds λθ to the gradient, and λ‖θ‖ to the denominator.

Examples
--------
>>> import numpy as np, fastopt
>>> params = [np.array([30.0, 40.0]), np.array([0.03, 0.04])]
>>> opt = fastopt.LARS(params, lr=100.0)
>>> opt.step([np.array([3e-5, -4e-5]), np.array([300.0, -400.0])])
>>> [w.round(3).tolist() for w in params]  # each has moved by a tenth of its length, 50 and 0.05
[[27.0, 44.0], [0.027, 0.044]]
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, momentum, trust_coefficient, weight_decay):
    return momentum, weight_decay, trust_coefficient, lr


def square(p, g, b, momentum, decay, trust, lr):
    return p * p


def square_of_gradient(p, g, b, momentum, decay, trust, lr):
    return g * g


def combine(c, sums, kept):
    _, decay, trust, lr = c
    length = sqrt(sums[0])
    below = sqrt(sums[1]) + decay * length
    return (lr if length == 0.0 or below == 0.0 else lr * trust * length / below,), kept


def update(p, g, b, momentum, decay, trust, lr, rate):
    b = momentum * b + rate * (g + decay * p)
    return p - b, b


RULE = Rule(
    name="lars",
    label="LARS",
    update=update,
    coefficients=coefficients,
    state=("b",),
    reduces={"square": square, "square_of_gradient": square_of_gradient},
    combine=combine,
    hyper={"lr": 1.0, "momentum": 0.9, "trust_coefficient": 1e-3, "weight_decay": 0.0},
    ranges={
        "lr": "[0, inf)",
        "momentum": "[0, 1)",
        "trust_coefficient": "[0, inf)",
        "weight_decay": "[0, inf)",
    },
    equation="b = momentum·b + lr·η·‖θ‖/(‖g‖ + λ‖θ‖)·(g + λθ); θ ← θ − b",
    doc=__doc__,
)
