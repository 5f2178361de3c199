"""RMSprop (Hinton, lecture 6e, 2012): v = alpha*v + (1-alpha)*g**2; d = sqrt(v) + eps; theta <- theta - lr * g / d.

``centered`` subtracts the squared mean (Graves 2013): a = alpha*a + (1-alpha)*g, d = sqrt(v - a**2) + eps, with the
difference kept at 0 or more. ``momentum`` averages the scaled steps: b = momentum*b + g/d; theta <- theta - lr * b.
Variant: PyTorch's: eps outside the root, lr outside b.
Agrees: PyTorch, ensmallen, bitsandbytes. Differs: optax, Keras and JAX's examples put eps inside the root, use
alpha 0.9, and Keras and JAX keep lr inside b.
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, alpha, eps):
    return lr, alpha, 1.0 - alpha, eps, 0.0


def with_momentum(t, lr, alpha, eps, momentum):
    return lr, alpha, 1.0 - alpha, eps, 0.0, momentum


def average(alpha, old, rest, new):
    return alpha * old + rest * new


def spread(v, a, zero):
    w = v - a * a
    return sqrt(zero if w < zero else w)


def update(p, g, v, lr, alpha, rest, eps, zero):
    v = average(alpha, v, rest, g * g)
    return p - lr * g / (sqrt(v) + eps), v


def centered(p, g, v, a, lr, alpha, rest, eps, zero):
    v, a = average(alpha, v, rest, g * g), average(alpha, a, rest, g)
    return p - lr * g / (spread(v, a, zero) + eps), v, a


def heavy(p, g, v, b, lr, alpha, rest, eps, zero, momentum):
    v = average(alpha, v, rest, g * g)
    b = momentum * b + g / (sqrt(v) + eps)
    return p - lr * b, v, b


def centered_heavy(p, g, v, a, b, lr, alpha, rest, eps, zero, momentum):
    v, a = average(alpha, v, rest, g * g), average(alpha, a, rest, g)
    b = momentum * b + g / (spread(v, a, zero) + eps)
    return p - lr * b, v, a, b


HYPER = {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8}


def variant(option, function, state, **more):
    scale = with_momentum if more else coefficients
    named: dict = {"name": f"rmsprop_{option}", "label": "RMSprop", "doc": __doc__}
    return Rule(update=function, coefficients=scale, state=state, hyper=HYPER | more, **named)


RULE = Rule(
    name="rmsprop",
    label="RMSprop",
    update=update,
    coefficients=coefficients,
    state=("v",),
    hyper=HYPER,
    variants={
        ("centered",): variant("centered", centered, ("v", "a")),
        ("momentum",): variant("momentum", heavy, ("v", "b"), momentum=0.9),
        ("centered", "momentum"): variant("centered_momentum", centered_heavy, ("v", "a", "b"), momentum=0.9),
    },
    equation="v = αv+(1−α)g²; d = √v + eps; θ ← θ − lr·g/d",
    doc=__doc__,
)
