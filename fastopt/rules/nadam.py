"""NAdam (Dozat 2016): Adam with Nesterov's look-ahead, and a momentum that grows during training.

Variant: PyTorch's. The product Πₜ has a closed form, so a step needs no running scalar and resumes exactly.
``decoupled=True`` is PyTorch's decoupled_weight_decay: θ ← θ − lr·λθ first, as in AdamW.
Agrees: PyTorch, ensmallen. Differs: Keras uses 0.96ᵗ, which is ``NAdam(params, 1e-3, momentum_decay=1, eps=1e-7)``;
optax's nadam keeps β₁ constant (``momentum_decay=1e4``).
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter then stands still, as in PyTorch.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam; it may be a little larger.
momentum_decay
    ψ, how soon the momentum μₜ rises from β₁/2 to β₁: half of the way is done after 17/ψ steps, 4250 by default.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.NAdam(x, lr=fastopt.schedules.cosine(0.1, 200))
>>> for _ in range(200):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import expm1, log, sqrt

from .decay import decayable
from .growing_momentum import factor, log_product
from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, momentum_decay):
    now, following = factor(t, beta1, momentum_decay), factor(t + 1, beta1, momentum_decay)
    logp = log_product(t, beta1, momentum_decay) if beta1 > 0.0 else -1e3  # the product of zeros
    nextp = logp + log(following) if beta1 > 0.0 else -1e3
    return scales(t, lr, beta2, eps, now, following, expm1(logp), expm1(nextp), beta1)


def scales(t, lr, beta2, eps, now, following, less, next_less, beta1):
    """With the products of momenta, less 1, at hand."""
    root = sqrt(bias(beta2, t))
    gain, pull = -lr * root * (1.0 - now) / less, -lr * root * following / next_less
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, gain, pull, eps * root


def update(p, g, m, v, beta1, rest1, beta2, rest2, gain, pull, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - (gain * g + pull * m) / (sqrt(v) + eps), m, v


RULE = Rule(
    name="nadam",
    label="NAdam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER | {"lr": 2e-3, "momentum_decay": 4e-3},
    ranges=RANGES | {"momentum_decay": "[0, inf)"},
    equation="μₜ = β₁(1−½·0.96^(tψ)); θ ← θ − lr·[(1−μₜ)g/(1−Πₜ) + μₜ₊₁m/(1−Πₜ₊₁)]/(√v̂ + eps)",
    doc=__doc__,
)
RULE = decayable(RULE)
