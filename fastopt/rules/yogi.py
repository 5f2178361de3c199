"""Yogi (Zaheer et al. 2018): Adam whose v moves towards g² by steps of (1−β₂)g², so that it never falls fast.

After large gradients v comes down as slowly as small ones allow, where Adam's would forget them exponentially.
Variant: the paper's v, with Adam's corrections, as all code has it. v starts at ``initial_accumulator_value``, m at 0;
in ``fastopt.jit`` it starts at what you give. ``decoupled=True``: θ ← θ − lr·λθ first, as in AdamW.
Agrees: optax and torch_optimizer, but for m, which starts at the same value there. Differs: TensorFlow Federated's adds
eps before the correction, and starts v at 1.

Parameters
----------
lr
    About the longest step that a parameter takes, in its own unit, as in Adam.
beta2
    β₂: each step moves v by (1−β₂)g² towards g².
eps
    Added to the root, in the gradient's unit. Larger than Adam's, and it matters: gradients far below 1e-3 make
    shorter steps.
initial_accumulator_value
    What v starts from, in the unit of g².

Examples
--------
>>> import numpy as np, fastopt
>>> steps = {}
>>> for make in (fastopt.Adam, fastopt.Yogi):
...     x = np.zeros(1)
...     opt = make(x, lr=0.1, betas=(0.0, 0.9))
...     for g in (10.0, *[1.0] * 40):
...         before = x[0]
...         opt.step(np.array([g]))
...     steps[make.__name__] = round(float(before - x[0]), 3)
>>> steps  # long after one large gradient
{'Adam': 0.093, 'Yogi': 0.041}
"""

from math import sqrt

from .decay import decayable
from .moments import HYPER, RANGES, bias
from .rule import Rule


def coefficients(t, lr, beta1, beta2, eps):
    root = sqrt(bias(beta2, t))
    return beta1, 1.0 - beta1, 1.0 - beta2, lr * root / bias(beta1, t), eps * root, 0.0


def update(p, g, m, v, beta1, rest1, rest2, lr, eps, zero):
    m, s = beta1 * m + rest1 * g, g * g
    v = v + (rest2 if v < s else -rest2 if v > s else zero) * s
    return p - lr * m / (sqrt(v) + eps), m, v


HYPER = HYPER | {"lr": 1e-2, "eps": 1e-3}
RANGES = RANGES | {"initial_accumulator_value": "[0, inf)"}

RULE = Rule(
    name="yogi",
    label="Yogi",
    update=update,
    coefficients=coefficients,
    state=("m", "v"),
    hyper=HYPER,
    ranges=RANGES,
    initial={"initial_accumulator_value": ("v", 1e-6)},
    equation="v = v − (1−β₂)·sign(v−g²)·g²; θ ← θ − lr·m̂/(√v̂ + eps), as Adam's",
    doc=__doc__,
)
RULE = decayable(RULE)
