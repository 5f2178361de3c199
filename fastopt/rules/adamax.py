"""Adamax (Kingma and Ba 2015, section 7.1): m as in Adam; u = max(beta2*u, |g| + eps);
theta <- theta - lr / (1-beta1**t) * m / u.

Variant: PyTorch's: eps is added to |g| inside the maximum.
Agrees: PyTorch, optax. Differs: Keras, ensmallen and JAX's examples add eps to u.
"""

from .moments import HYPER, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps):
    return beta1, 1.0 - beta1, beta2, lr / bias(beta1, t), eps


def update(p, g, m, u, beta1, rest1, beta2, lr, eps):
    m = beta1 * m + rest1 * g
    old, new = beta2 * u, abs(g) + eps
    u = old if old > new else new
    return p - lr * m / u, m, u


RULE = Rule(
    name="adamax",
    label="Adamax",
    update=update,
    coefficients=coefficients,
    state=("m", "u"),
    hyper=HYPER | {"lr": 2e-3},
    equation="u = max(β₂u, |g|+eps); θ ← θ − lr/(1−β₁ᵗ)·m/u",
    doc=__doc__,
)
