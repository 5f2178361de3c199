"""Momentum, or heavy ball (Polyak 1964): b = momentum*b + (1 - dampening)*g; theta <- theta - lr * b.

Variant: PyTorch's. The learning rate stays outside b, so a schedule acts at once on the whole step, and the first
step is undamped (b = g).
Agrees: PyTorch, optax, Apex, JAX's examples. Differs: Keras, scikit-learn and ensmallen keep lr inside the velocity
(the same at constant lr); optimi starts from zero with dampening.
"""

from .rule import Rule


def coefficients(t, lr, momentum, dampening):
    return lr, momentum, 1.0 if t == 1 else 1.0 - dampening


def update(p, g, b, lr, momentum, gain):
    b = momentum * b + gain * g
    return p - lr * b, b


RULE = Rule(
    name="momentum",
    label="Momentum",
    update=update,
    coefficients=coefficients,
    state=("b",),
    hyper={"lr": 1e-3, "momentum": 0.9, "dampening": 0.0},
    equation="b = μb + (1−τ)g; θ ← θ − lr·b",
    doc=__doc__,
)
