"""Rprop (Riedmiller and Braun 1993): each parameter's step grows while its gradient keeps its sign, and halves else.

Of gradients only signs count, so they must be those of all data: noise halves the steps for nothing.
Variant: PyTorch's, which is iRprop⁻ (Igel and Hüsken 2000): where the sign has changed, the parameter stays, and the
step after that counts as without a gradient before it. `RpropMinus` goes on at once.
Agrees: PyTorch. Differs: optax 0.2.8 has the same step sizes, but takes each step one call late, if at all; FANN
lengthens steps at gradients of 0, too; Shark moves by the halved step where the sign has changed.
A gradient of NaN makes the parameter NaN (PyTorch leaves it). Products g·prev below the smallest normal number are of
no sign: in float32 where |g| < 1.1e-19.

Parameters
----------
lr
    How far each parameter moves in its first step, in its own unit; later ones do not read it, so a schedule of it is
    without effect. Hardly tuned: steps of another size are found soon.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, 1.0])
>>> opt = fastopt.Rprop(x, lr=0.1)
>>> for _ in range(60):
...     opt.step(np.array([1.0, 1e6]) * x)  # the scale of a gradient does not matter
>>> bool(abs(x).max() < 1e-5)
True
"""

from .resilient import HYPER, RANGES, coefficients, resized
from .rule import Rule


def update(p, g, prev, step_size, first, kept, down, up, one, least, largest, zero):
    g = g + zero  # a result of arithmetic is never subnormal, so that none is stored
    turn = g * prev
    step_size = resized(step_size, turn, first, kept, down, up, one, least, largest, zero)
    g = zero if turn < zero else g
    return p - (step_size if g > zero else -step_size if g < zero else g), g, step_size


RULE = Rule(
    name="rprop",
    label="Rprop",
    update=update,
    coefficients=coefficients,
    state=("prev", "step_size"),
    hyper=HYPER,
    ranges=RANGES,
    equation="Δ ← Δ·η⁺ where g·prev > 0, Δ·η⁻ where g·prev < 0, and g ← 0 there; θ ← θ − sign(g)·Δ",
    doc=__doc__,
)
