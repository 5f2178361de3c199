"""RMSprop (Hinton, lecture 6e, 2012): the gradient over the root of the running average of its square.

``centered`` divides by the standard deviation of the gradient instead (Graves 2013): a = αa+(1−α)g,
d = √max(v−a², 0) + eps. ``momentum`` sums the scaled gradients: b = μb + g/d; θ ← θ − lr·b.
Variant: PyTorch's: eps outside the root, lr outside b.
Agrees: PyTorch, ensmallen, bitsandbytes. Differs: optax, Keras and JAX's examples put eps inside the root and use
alpha 0.9, and Keras and JAX keep lr inside b.

Parameters
----------
lr
    Step size in the parameter's own unit: gradients of their usual size step by lr. v starts at 0 and is not corrected,
    so the first step is 1/√(1−α) times as long, 10 times by default.
alpha
    α, how much of the average v is kept each step: it looks back over about 1/(1−α) steps, 100 by default. 0.9 follows
    gradients that change quickly.
centered
    Whether to subtract the squared mean a². Steps get longer where gradients agree; one more state array.
momentum
    μ, how much of b is kept each step; any value but 0 switches it on, with one more state array. Steps grow to 1/(1−μ)
    of their length.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.RMSprop(x, lr=fastopt.schedules.cosine(0.02, 300))
>>> for _ in range(300):
...     opt.step(np.array([1e-3, 1e3]) * x)  # both parameters take steps of one size
>>> bool(abs(x).max() < 0.01)
True
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
RANGES = {"lr": "[0, inf)", "alpha": "[0, 1)", "eps": "[0, inf)"}


def variant(option, function, state, **more):
    scale = with_momentum if more else coefficients
    named: dict = {"name": f"rmsprop_{option}", "label": "RMSprop", "doc": __doc__}
    ranges = RANGES | dict.fromkeys(more, "[0, inf)")
    return Rule(update=function, coefficients=scale, state=state, hyper=HYPER | more, ranges=ranges, **named)


RULE = Rule(
    name="rmsprop",
    label="RMSprop",
    update=update,
    coefficients=coefficients,
    state=("v",),
    hyper=HYPER,
    ranges=RANGES,
    variants={
        ("centered",): variant("centered", centered, ("v", "a")),
        ("momentum",): variant("momentum", heavy, ("v", "b"), momentum=0.9),
        ("centered", "momentum"): variant("centered_momentum", centered_heavy, ("v", "a", "b"), momentum=0.9),
    },
    equation="v = αv+(1−α)g²; d = √v + eps; θ ← θ − lr·g/d",
    doc=__doc__,
)
