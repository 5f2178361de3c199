"""Gradient descent (Cauchy 1847), on the gradient of all the data.

The same update as SGD; the difference is what g is taken over, so ``fastopt.fit`` with GD insists on the full batch.
Agrees: every library.

Parameters
----------
lr
    Step size: the step is lr times the gradient, so its unit is that of θ² over that of the loss. Below 2/L, where L is
    the largest curvature of the loss, the loss falls in every step; 1/L is a safe choice. A loss that is a sum over n
    examples has n times the curvature of their mean, and wants an n times smaller lr.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([4.0, -2.0])
>>> opt = fastopt.GD(x, lr=0.25)
>>> for _ in range(3):
...     opt.step(2 * x)  # the gradient of x·x, whose curvature is 2
>>> x
array([ 0.5 , -0.25])
"""

from .rule import Rule


def coefficients(t, lr):
    return (lr,)


def update(p, g, lr):
    return (p - lr * g,)


RULE = Rule(
    name="gd",
    label="GD",
    update=update,
    coefficients=coefficients,
    hyper={"lr": 1e-3},
    ranges={"lr": "[0, inf)"},
    equation="θ ← θ − lr·g, g over all data",
    doc=__doc__,
)
