"""QHAdam (Ma and Yarats 2019): Adam whose two averages count only in part, the gradient at hand and its square else.

Variant: the paper's and its authors' qhoptim, with the averages uncorrected in m and v, as in Adam (qhoptim keeps them
corrected). At ν₁ = ν₂ = 1, its defaults, it is Adam. ``decoupled=True`` is its decouple_weight_decay:
θ ← θ − lr·λθ first, as in AdamW.
Agrees: qhoptim, pytorch-optimizer. PyTorch, optax and Keras have none.
In float32 v is infinite after one |g| > 5.8e20, or many > 1.8e19: the parameter then stands still.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam.
nu1
    ν₁, the weight of m̂ in the step; the rest is the gradient at hand. The paper trains with 0.7 and β₁ = 0.995; NAdam
    is near ν₁ = β₁.
nu2
    ν₂, the weight of v̂ under the root; the rest is the squared gradient at hand. Below 1 no step is longer than
    lr/√(1−ν₂) times what the gradients' average is to the gradient at hand.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([2.0, -1.0])
>>> opt = fastopt.QHAdam(x, lr=fastopt.schedules.cosine(0.1, 200), nu1=0.7)
>>> for _ in range(200):
...     opt.step(2 * x)
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias, moments
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps, nu1, nu2):
    averaged, of_average = lr * nu1 / bias(beta1, t), nu2 / bias(beta2, t)
    return beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr * (1.0 - nu1), averaged, 1.0 - nu2, of_average, eps


def update(p, g, m, v, beta1, rest1, beta2, rest2, plain, averaged, of_square, of_average, eps):
    m, v = moments(g, m, v, beta1, rest1, beta2, rest2)
    return p - (plain * g + averaged * m) / (sqrt(of_square * g * g + of_average * v) + eps), m, v


HYPER = HYPER | {"nu1": 1.0, "nu2": 1.0}
RANGES = RANGES | {"nu1": "[0, 1]", "nu2": "[0, 1]"}

RULE = Rule(
    name="qhadam",
    label="QHAdam",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER,
    ranges=RANGES,
    equation="θ ← θ − lr·[(1−ν₁)g + ν₁m̂]/(√((1−ν₂)g² + ν₂v̂) + eps), m̂ and v̂ as in Adam",
    doc=__doc__,
)
RULE = decayable(RULE)
