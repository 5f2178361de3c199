"""RAdam (Liu et al. 2020): Adam's step times r_t once the variance is tractable, momentum alone before.

r_inf = 2/(1-beta2) - 1; r = r_inf - 2*t*beta2**t/(1-beta2**t); where r > 5: theta <- theta - lr * mhat *
sqrt((r-4)(r-2)r_inf / ((r_inf-4)(r_inf-2)r)) * sqrt(1-beta2**t) / (sqrt(v) + eps), else theta <- theta - lr * mhat.
Variant: PyTorch's: eps is added to the uncorrected root.
Agrees: PyTorch. Differs: optax and thinc switch at r >= 5, and thinc counts each step twice.
"""

from math import sqrt

from .moments import HYPER, bias, moments
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps):
    gathered = bias(beta2, t)
    limit = 2.0 / (1.0 - beta2) - 1.0
    r = limit - 2.0 * t * (1.0 - gathered) / gathered
    lr = lr / bias(beta1, t)
    use, eps_ = 0.0, 1.0  # the denominator is use*sqrt(v) + eps_: 1 until the variance is tractable
    if r > 5.0:
        lr *= sqrt((r - 4.0) * (r - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * r)) * sqrt(gathered)
        use, eps_ = 1.0, eps
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, use, eps_


def update(p, g, m, v, beta1, rest1, beta2, rest2, lr, use, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - lr * m / (use * sqrt(v) + eps), m, v


RULE = Rule(
    name="radam",
    label="RAdam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER,
    equation="ρₜ > 5: θ ← θ − lr·m̂·r·√(1−β₂ᵗ)/(√v + eps), else θ ← θ − lr·m̂",
    doc=__doc__,
)
