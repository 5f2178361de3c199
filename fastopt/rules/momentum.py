"""Momentum, or heavy ball (Polyak 1964): steps along a sum of past gradients, each weighted μ times the next.

Variant: PyTorch's. The learning rate stays outside b, so that a schedule acts at once on the whole step, and the first
step is undamped (b = g). ``decoupled=True`` is θ ← θ − lr·λθ first, as in AdamW (SGDW, Loshchilov and Hutter 2019).
Agrees: PyTorch, optax, Apex, JAX's examples. Differs: Keras, scikit-learn and ensmallen keep lr inside the velocity
(``preset="keras"`` or ``"sklearn"``, ``lr_in_velocity=True``), b = μb + lr·g; θ ← θ − b, the same at constant lr;
optimi starts from zero with dampening.

Parameters
----------
lr
    Step size, in GD's unit. Where gradients agree, b grows to 1/(1−μ) times their size: start from the lr that suits
    SGD, times 1−μ.
momentum
    μ, how much of b is kept each step: it looks back over about 1/(1−μ) steps, 10 by default. Above 1 it diverges.
dampening
    τ, the part of each new gradient that is left out of b. With τ = μ, b is an average instead of a sum, and steps have
    the length of SGD's.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.Momentum(x, lr=0.02)
>>> for _ in range(150):
...     opt.step(np.array([1.0, 40.0]) * x)  # a narrow valley: GD would need lr < 0.05, and be slow along it
>>> bool(abs(x).max() < 0.01)
True
"""

from .decay import decayable
from .rule import Rule


def coefficients(t, lr, momentum, dampening, lr_in_velocity):
    gain = 1.0 if t == 1 else 1.0 - dampening
    return (1.0, momentum, lr * gain) if lr_in_velocity else (lr, momentum, gain)


def update(p, g, b, lr, momentum, gain):
    b = momentum * b + gain * g
    return p - lr * b, b


RULE = Rule(
    name="momentum",
    label="Momentum",
    update=update,
    coefficients=coefficients,
    state=("b",),
    hyper={"lr": 1e-3, "momentum": 0.9, "dampening": 0.0, "lr_in_velocity": False},
    ranges={"lr": "[0, inf)", "momentum": "[0, inf)", "dampening": "[0, 1]"},
    equation="b = μb + (1−τ)g; θ ← θ − lr·b",
    doc=__doc__,
)
RULE = decayable(RULE)
