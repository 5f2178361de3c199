"""Stochastic gradient descent (Robbins and Monro 1951): theta <- theta - lr * g, with g over a random sample.

``momentum``, ``dampening`` and ``nesterov`` pick the momentum and Nesterov rules, as PyTorch's SGD does.
Agrees: every library.
"""

from .gd import coefficients, update
from .momentum import RULE as MOMENTUM
from .nesterov import RULE as NESTEROV
from .rule import Rule

RULE = Rule(
    name="sgd",
    label="SGD",
    update=update,
    coefficients=coefficients,
    hyper={"lr": 1e-3},
    variants={("momentum",): MOMENTUM, ("momentum", "nesterov"): NESTEROV},
    equation="θ ← θ − lr·g, g over a random sample",
    doc=__doc__,
)
