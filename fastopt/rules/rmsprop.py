"""RMSprop (Hinton, lecture 6e, 2012): the gradient over the root of the running average of its square.

``centered`` divides by the standard deviation of the gradient instead (Graves 2013): a = αa+(1−α)g,
d = √max(v−a², 0) + eps. ``momentum`` sums the scaled gradients: b = μb + g/d; θ ← θ − lr·b.
Variant: PyTorch's: eps outside the root, lr outside b; with ``eps_in_sqrt=True`` eps is inside, d = √(v + eps).
Agrees: PyTorch, ensmallen, bitsandbytes. Differs: optax, Keras and JAX's examples put eps inside the root and use
alpha 0.9 (``RMSprop(params, lr, alpha=0.9, eps_in_sqrt=True)``, eps 1e-7 in Keras), and Keras and JAX keep lr inside b,
which is the same at constant lr.
In float32 v is infinite after one |g| > 1.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    Step size in the parameter's own unit: gradients of their usual size step by lr. v starts at 0 and is not corrected,
    so the first step is 1/√(1−α) times as long, 10 times by default.
alpha
    α, how much of the average v is kept each step: it looks back over about 1/(1−α) steps, 100 by default. 0.9 follows
    gradients that change quickly.
eps_in_sqrt
    Whether to add eps to v, under the root, instead of to the root; then in the unit of g².
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

from .moments import placed
from .rule import Rule


def coefficients(t, lr, alpha, eps, eps_in_sqrt):
    return (lr, alpha, 1.0 - alpha, *placed(eps, eps_in_sqrt), 0.0)


def with_momentum(t, lr, alpha, eps, momentum, eps_in_sqrt):
    return (*coefficients(t, lr, alpha, eps, eps_in_sqrt), momentum)


def spread(v, a, inside, zero):
    return sqrt((zero if v < a * a else v - a * a) + inside)


def update(p, g, v, lr, alpha, rest, inside, eps, zero):
    v = alpha * v + rest * g * g
    return p - lr * g / (sqrt(v + inside) + eps), v


def centered(p, g, v, a, lr, alpha, rest, inside, eps, zero):
    v, a = alpha * v + rest * g * g, alpha * a + rest * g
    return p - lr * g / (spread(v, a, inside, zero) + eps), v, a


def heavy(p, g, v, b, lr, alpha, rest, inside, eps, zero, momentum):
    v = alpha * v + rest * g * g
    b = momentum * b + g / (sqrt(v + inside) + eps)
    return p - lr * b, v, b


def centered_heavy(p, g, v, a, b, lr, alpha, rest, inside, eps, zero, momentum):
    v, a = alpha * v + rest * g * g, alpha * a + rest * g
    b = momentum * b + g / (spread(v, a, inside, zero) + eps)
    return p - lr * b, v, a, b


HYPER = {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8}
RANGES = {"lr": "[0, inf)", "alpha": "[0, 1)", "eps": "[0, inf)"}


def variant(option, function, state, **more):
    named: dict = {"name": f"rmsprop_{option}", "label": "RMSprop", "update": function, "state": state, "doc": __doc__}
    numbers: dict = {"hyper": HYPER | more | {"eps_in_sqrt": False}, "ranges": RANGES | dict.fromkeys(more, "[0, inf)")}
    return Rule(coefficients=with_momentum if more else coefficients, **named, **numbers)


RULE = Rule(
    name="rmsprop",
    label="RMSprop",
    update=update,
    coefficients=coefficients,
    state=("v",),
    hyper=HYPER | {"eps_in_sqrt": False},
    ranges=RANGES,
    variants={
        ("centered",): variant("centered", centered, ("v", "a")),
        ("momentum",): variant("momentum", heavy, ("v", "b"), momentum=0.9),
        ("centered", "momentum"): variant("centered_momentum", centered_heavy, ("v", "a", "b"), momentum=0.9),
    },
    equation="v = αv+(1−α)g²; d = √v + eps; θ ← θ − lr·g/d",
    doc=__doc__,
)
