"""Lion (Chen et al. 2023): theta <- theta - lr * (sign(beta1*m + (1-beta1)*g) + weight_decay*theta);
m = beta2*m + (1-beta2)*g.

Variant: the paper's, with decoupled decay times lr. The sign of 0 is 0, and of NaN is NaN.
Agrees: optax, bitsandbytes, DeepSpeed, Keras.
"""

from .rule import Rule


def coefficients(t, lr, beta1, beta2, weight_decay):
    return 1.0 - lr * weight_decay, beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, 0.0


def update(p, g, m, keep, beta1, rest1, beta2, rest2, lr, zero):
    c = beta1 * m + rest1 * g
    step = lr if c > zero else -lr if c < zero else c
    return keep * p - step, beta2 * m + rest2 * g


RULE = Rule(
    name="lion",
    label="Lion",
    update=update,
    coefficients=coefficients,
    state=("m",),
    hyper={"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    equation="θ ← θ − lr·(sign(β₁m+(1−β₁)g) + λθ); m = β₂m+(1−β₂)g",
    doc=__doc__,
)
