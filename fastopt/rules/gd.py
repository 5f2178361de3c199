"""Gradient descent (Cauchy 1847): theta <- theta - lr * g, with g the gradient over all data.

The same update as SGD; the difference is what g is taken over, so ``fastopt.fit`` with GD insists on the full batch.
Agrees: every library.
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
    equation="θ ← θ − lr·g, g over all data",
    doc=__doc__,
)
