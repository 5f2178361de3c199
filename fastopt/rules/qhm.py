"""QHM (Ma and Yarats 2019): a weighted average of a plain step and a step along the running average of gradients.

It is SGD at ν = 0, and Momentum with dampening τ = μ (but for its first step) at ν = 1; between the two, Nesterov's
steps and those of several other methods.
Variant: the paper's and its authors' qhoptim: m is an average, so lr is 1/(1−μ) times as large as in Momentum.
Agrees: qhoptim, pytorch-optimizer. PyTorch, optax and Keras have none.

Parameters
----------
lr
    Step size, in GD's unit, whatever momentum is: start from the lr that suits SGD.
momentum
    μ (the paper's β), how much of the average m is kept each step: it looks back over about 1/(1−μ) steps.
nu
    ν, the weight of m in the step; the rest is the gradient at hand. With the paper's 0.7, momentum may be as large as
    its 0.999.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.QHM(x, lr=0.08, momentum=0.95)
>>> for _ in range(200):
...     opt.step(np.array([1.0, 40.0]) * x)  # a narrow valley: GD would need lr < 0.05
>>> bool(abs(x).max() < 0.01)
True
"""

from .rule import Rule


def coefficients(t, lr, momentum, nu):
    return momentum, 1.0 - momentum, lr * (1.0 - nu), lr * nu


def update(p, g, m, momentum, rest, plain, averaged):
    m = momentum * m + rest * g
    return p - (plain * g + averaged * m), m


RULE = Rule(
    name="qhm",
    label="QHM",
    update=update,
    coefficients=coefficients,
    state=("m",),
    hyper={"lr": 1e-3, "momentum": 0.999, "nu": 0.7},
    ranges={"lr": "[0, inf)", "momentum": "[0, 1)", "nu": "[0, 1]"},
    equation="m = μm+(1−μ)g; θ ← θ − lr·[(1−ν)g + νm]",
    doc=__doc__,
)
