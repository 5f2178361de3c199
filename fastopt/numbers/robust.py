"""Losses of a residual, as SciPy's ``least_squares`` defines them: ρ(z) of z = (r/f_scale)².

Each text gives, of emitted values, ρ; ρ', by which J'r is weighed; and ρ' + 2zρ'', by which J'J is, at least a unit in
the last place of 1. None stands for the sum of squares itself.
"""

from . import functions
from .emitted import select, sqrt

LEAST = 2.0**-52


def linear(r, scale):
    return None, None, None


def _at_least(bend):
    """NaN stays NaN."""
    return select(bend < LEAST, bend.like(LEAST), bend)


def _z(r, scale):
    ratio = r / scale
    return ratio * ratio


def soft_l1(r, scale):
    root = sqrt(1.0 + _z(r, scale))
    slope = 1.0 / root
    return 2.0 * (root - 1.0), slope, _at_least(slope * slope * slope)


def huber(r, scale):
    z = _z(r, scale)
    root = sqrt(z)
    is_far, one = z > 1.0, z.like(1.0)
    return select(is_far, 2.0 * root - 1.0, z), select(is_far, 1.0 / root, one), select(is_far, z.like(LEAST), one)


def cauchy(r, scale):
    z = _z(r, scale)
    slope = 1.0 / (1.0 + z)
    return functions.EMITTED["log1p"](z), slope, _at_least((1.0 - z) * slope * slope)


LOSSES = linear, soft_l1, huber, cauchy
