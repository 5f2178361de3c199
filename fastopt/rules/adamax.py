"""Adamax (Kingma and Ba 2015, section 7.1): Adam with the largest recent gradient in the place of their mean square.

Variant: PyTorch's: eps is added to |g| inside the maximum. ``decoupled=True`` is θ ← θ − lr·λθ first, as in AdamW.
Agrees: PyTorch, optax. Differs: Keras, ensmallen and JAX's examples add eps to u (``preset="keras"``,
``eps_in_max=False``).

Parameters
----------
lr
    The longest step that a parameter takes, in its own unit. A bound, where Adam's is nearly one.
beta2
    β₂, how slowly the maximum u is forgotten: a large gradient counts for about 1/(1−β₂) steps.
eps
    Added to |g|, in the gradient's unit, so that u is never 0.
eps_in_max
    Whether eps is added to |g|, inside the maximum, instead of to u.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(3)
>>> opt = fastopt.Adamax(x, lr=0.1)
>>> opt.step(np.array([1e-3, 1.0, 0.0]))
>>> x.round(3)
array([-0.1, -0.1,  0. ])
"""

from .decay import decayable
from .moments import HYPER, RANGES, bias, placed
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, eps_in_max):
    return (beta1, 1.0 - beta1, beta2, lr / bias(beta1, t), *placed(eps, eps_in_max))


def update(p, g, m, u, beta1, rest1, beta2, lr, inside, eps):
    m = beta1 * m + rest1 * g
    old, new = beta2 * u, abs(g) + inside
    u = old if old > new else new
    return p - lr * m / (u + eps), m, u


RULE = Rule(
    name="adamax",
    label="Adamax",
    update=update,
    coefficients=coefficients,
    state=("m", "u"),
    hyper=HYPER | {"lr": 2e-3, "eps_in_max": True},
    ranges=RANGES,
    equation="m = β₁m+(1−β₁)g; u = max(β₂u, |g|+eps); θ ← θ − lr/(1−β₁ᵗ)·m/u",
    doc=__doc__,
)
RULE = decayable(RULE, before="eps_in_max")
