"""Losses of a residual, as SciPy's ``least_squares`` defines them: ρ(z) of z = (r/f_scale)².

Each text gives, of emitted values, ρ; ρ', by which J'r is weighed; and ρ' + 2zρ'', by which J'J is (where it is too
small the caller sees to that). None stands for the sum of squares itself.
"""

from . import functions
from .emitted import select, sqrt


def linear(r, scale):
    return None, None, None


def _z(r, scale):
    ratio = r / scale
    return ratio * ratio


def soft_l1(r, scale):
    root = sqrt(1.0 + _z(r, scale))
    slope = 1.0 / root
    return 2.0 * (root - 1.0), slope, slope * slope * slope


def huber(r, scale):
    z = _z(r, scale)
    root = sqrt(z)
    is_far, one = z > 1.0, z.like(1.0)
    return select(is_far, 2.0 * root - 1.0, z), select(is_far, 1.0 / root, one), select(is_far, z.like(0.0), one)


def cauchy(r, scale):
    z = _z(r, scale)
    slope = 1.0 / (1.0 + z)
    return functions.EMITTED["log1p"](z), slope, (1.0 - z) * slope * slope


LOSSES = linear, soft_l1, huber, cauchy
