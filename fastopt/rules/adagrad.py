"""Adagrad (Duchi, Hazan and Singer 2011): each parameter's steps shrink by the size of all its gradients so far.

Made for convex losses with sparse features: what rarely has a gradient keeps its long steps.
Variant: PyTorch's: eps outside the root; with ``eps_in_sqrt=True`` inside, lr/√(s + eps)·g. With ``eps=0`` it is the
textbook rule, and a parameter whose s is still 0 does not move (no 0/0). Values below the smallest normal number count
as zero, so in float32 ``eps=0`` ignores |g| < 1.1e-19. ``decoupled=True`` is θ ← θ − lr·λθ first, as in AdamW, with lr
as lr_decay has left it.
Agrees: PyTorch, ensmallen, Apex, bitsandbytes, DeepSpeed. Differs: optax and Keras put eps inside the root and start
s at 0.1, so their first steps are up to hundreds of times smaller: they are ``Adagrad(params, lr, eps=1e-7,
eps_in_sqrt=True, initial_accumulator_value=0.1)``.
In float32 a parameter with |g| > 1.8e19 stands still from then on: g² is infinite, as it is in PyTorch.

Parameters
----------
lr
    The length of a parameter's first step, in its own unit; the t-th has about lr/√t of it while gradients keep their
    size. It does without a schedule, and may be large: 0.1 to 1 on convex problems.
lr_decay
    Divides lr by 1 + (t−1)·lr_decay besides. 0 is the paper.
eps
    Added to the root, in the gradient's unit; 0 is allowed.
eps_in_sqrt
    Whether to add eps to s, under the root, instead; then in the unit of g².
initial_accumulator_value
    What s starts from, in the unit of g². More makes the first steps shorter.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(2)
>>> opt = fastopt.Adagrad(x, lr=0.5)
>>> for rare in (0.0, 0.0, 0.0, 1.0):
...     opt.step(np.array([1.0, rare]))
>>> x.round(2)  # the fourth step of the first parameter is half as long as the first; the second's is its first
array([-1.39, -0.5 ])
"""

from math import sqrt

from .decay import decayable
from .moments import placed
from .rule import Rule


def coefficients(t, lr, lr_decay, eps, eps_in_sqrt):
    return (lr / (1.0 + (t - 1) * lr_decay), *placed(eps, eps_in_sqrt), 0.0)


def update(p, g, s, lr, inside, eps, zero):
    s = s + g * g
    d = sqrt(s + inside) + eps
    return p - (zero if d == zero else lr * g / d), s


def keep(t, decay, lr, lr_decay, *others):
    """lr_decay holds for the decay too."""
    return 1.0 - lr / (1.0 + (t - 1) * lr_decay) * decay


HYPER = {"lr": 1e-2, "lr_decay": 0.0, "eps": 1e-10, "eps_in_sqrt": False}
RANGES = dict.fromkeys(("lr", "lr_decay", "eps", "initial_accumulator_value"), "[0, inf)")

RULE = Rule(
    name="adagrad",
    label="Adagrad",
    update=update,
    coefficients=coefficients,
    state=("s",),
    hyper=HYPER,
    ranges=RANGES,
    initial={"initial_accumulator_value": ("s", 0.0)},
    equation="s += g²; θ ← θ − lr/(1+(t−1)·lr_decay)·g/(√s + eps)",
    doc=__doc__,
)
RULE = decayable(RULE, keep)
