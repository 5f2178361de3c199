"""Stochastic gradient descent (Robbins and Monro 1951): the gradient is that of a random sample of the data.

``momentum``, ``dampening`` and ``nesterov`` pick the rules Momentum and Nesterov, as PyTorch's SGD does.
``decoupled=True`` is θ ← θ − lr·λθ first, which differs from L2 decay where there is momentum.
Agrees: every library.

Parameters
----------
lr
    Step size, in GD's unit. The noise of the sample keeps θ moving around the minimum, the more so the larger lr is:
    let it fall (``schedules.cosine``, ``schedules.inverse_time``) to settle. ``fit`` sums over the batch, so with the
    same lr a batch twice as large steps twice as far; ``reduction="mean"`` divides by its size.
momentum
    μ of Momentum; any value but 0 picks that rule.
dampening
    τ of Momentum; needs ``momentum``.
nesterov
    Whether to look ahead, as Nesterov does; needs ``momentum``.
lr_in_velocity
    Whether lr goes into the sum of gradients, as in Keras and scikit-learn; needs ``momentum``.

Examples
--------
>>> import numpy as np, fastopt
>>> rng = np.random.default_rng(0)
>>> X = rng.normal(size=(1000, 2))
>>> y = X @ [1.0, -2.0]
>>> w = np.zeros(2)
>>> opt = fastopt.SGD(w, lr=0.1)
>>> for _ in range(200):
...     i = rng.integers(1000, size=10)  # ten examples at random
...     opt.step(X[i].T @ (X[i] @ w - y[i]) / 10)
>>> w.round(3)
array([ 1., -2.])
"""

from dataclasses import replace

from .decay import decoupled
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
    ranges={"lr": "[0, inf)"},
    variants={
        ("momentum",): MOMENTUM,
        ("momentum", "nesterov"): NESTEROV,
        ("momentum", "decoupled"): MOMENTUM.variants[("decoupled",)],
        ("momentum", "nesterov", "decoupled"): NESTEROV.variants[("decoupled",)],
    },
    equation="θ ← θ − lr·g, g over a random sample",
    doc=__doc__,
)
RULE = replace(RULE, variants={**RULE.variants, ("decoupled",): decoupled(RULE)})
