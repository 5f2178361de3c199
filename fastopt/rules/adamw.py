"""AdamW (Loshchilov and Hutter 2019): theta <- theta - lr*weight_decay*theta, then Adam's step.

Variant: PyTorch's: the decay is multiplied by lr and comes before the step.
Agrees: PyTorch, DeepSpeed, Keras (and optax and Apex, whose form is the same algebra). Differs: thinc decays after
the step; optax's default weight_decay is 1e-4, Keras's 4e-3.
"""

from .adam import update as step
from .moments import HYPER
from .moments import coefficients as scales
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, weight_decay, bias_correction):
    return (1.0 - lr * weight_decay, *scales(t, lr, beta1, beta2, eps, bias_correction))


def update(p, g, m, v, keep, beta1, rest1, beta2, rest2, lr, eps):
    return step(keep * p, g, m, v, beta1, rest1, beta2, rest2, lr, eps)


RULE = Rule(
    name="adamw",
    label="AdamW",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"weight_decay": 1e-2, "bias_correction": True},
    equation="θ ← θ − lr·λθ, then Adam",
    doc=__doc__,
)
