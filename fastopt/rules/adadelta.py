"""Adadelta (Zeiler 2012): v = rho*v + (1-rho)*g**2; D = sqrt(u+eps)/sqrt(v+eps)*g; u = rho*u + (1-rho)*D**2;
theta <- theta - lr * D.

Variant: PyTorch's, with a learning rate (1 is the paper). One root of the quotient instead of two roots.
Agrees: PyTorch, optax, ensmallen. Differs: Keras has lr 1e-3, rho 0.95, eps 1e-7.
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, rho, eps):
    return lr, rho, 1.0 - rho, eps


def update(p, g, v, u, lr, rho, rest, eps):
    v = rho * v + rest * (g * g)
    delta = sqrt((u + eps) / (v + eps)) * g
    u = rho * u + rest * (delta * delta)
    return p - lr * delta, v, u


RULE = Rule(
    name="adadelta",
    label="Adadelta",
    update=update,
    coefficients=coefficients,
    state=("v", "u"),
    hyper={"lr": 1.0, "rho": 0.9, "eps": 1e-6},
    equation="v = ρv+(1−ρ)g²; Δ = √(u+eps)/√(v+eps)·g; u = ρu+(1−ρ)Δ²; θ ← θ − lr·Δ",
    doc=__doc__,
)
