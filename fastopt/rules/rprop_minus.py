"""Rprop⁻ (Riedmiller 1994): Rprop that goes on where the gradient's sign has changed, with a step half as long.

The name is Igel's and Hüsken's (2000), whose iRprop⁻ is PyTorch's and our `Rprop`: that waits for a step where the
sign has changed, this rule may halve its steps several times for one jump over a minimum.
Variant: with the start and the limits of PyTorch's Rprop. Of the gradient before only the sign is kept, so that none is
too small to count. The sign of 0 is 0, and of NaN is NaN.
Agrees: Shark's Rprop without backtracking and freezing, but for the limits.

Parameters
----------
lr
    How far each parameter moves in its first step, in its own unit; later ones do not read it, so a schedule of it is
    without effect.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0])
>>> opt = fastopt.RpropMinus(x, lr=0.5)
>>> path = []
>>> for _ in range(5):
...     opt.step(2 * x)
...     path.append(round(float(x[0]), 3))
>>> path  # steps of 0.5 and 0.6, back by 0.3, again by 0.15, and on by 0.18
[0.5, -0.1, 0.2, 0.05, -0.13]
"""

from .resilient import HYPER, RANGES, coefficients, resized
from .rule import Rule


def update(p, g, sign, step_size, first, kept, down, up, one, least, largest, zero):
    g = g + zero  # a result of arithmetic is never subnormal, so that none is stored
    new = one if g > zero else -one if g < zero else g
    step_size = resized(step_size, new * sign, first, kept, down, up, one, least, largest, zero)
    return p - new * step_size, new, step_size


RULE = Rule(
    name="rprop_minus",
    label="RpropMinus",
    update=update,
    coefficients=coefficients,
    state=("sign", "step_size"),
    hyper=HYPER,
    ranges=RANGES,
    equation="Δ ← Δ·η⁺ where sign(g) is that before, Δ·η⁻ where it is its opposite; θ ← θ − sign(g)·Δ",
    doc=__doc__,
)
