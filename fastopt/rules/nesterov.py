"""Nesterov's accelerated gradient (Nesterov 1983; Sutskever et al. 2013): b = momentum*b + g;
theta <- theta - lr * (g + momentum*b).

Variant: PyTorch's, in which g is taken at theta itself and the look-ahead is folded into the step.
Agrees: PyTorch, optax, Keras (at constant lr), Apex.
"""

from .rule import Rule


def coefficients(t, lr, momentum):
    return lr, momentum


def update(p, g, b, lr, momentum):
    b = momentum * b + g
    return p - lr * (g + momentum * b), b


RULE = Rule(
    name="nesterov",
    label="Nesterov",
    update=update,
    coefficients=coefficients,
    state=("b",),
    hyper={"lr": 1e-3, "momentum": 0.9},
    equation="b = μb + g; θ ← θ − lr·(g + μb)",
    doc=__doc__,
)
