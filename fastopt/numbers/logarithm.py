"""log and log1p, log2 and log10. Texts of emitted float64 (emitted.py).

x = 2ᵉ·(1 + f) with √½ ≤ 1 + f < √2, and log(1 + f) = 2·artanh(s) of s = f/(2 + f): the way of fdlibm's e_log.c.
"""

from .emitted import select
from .polynomial import INF, NAN, polynomial

LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
LEAST_NORMAL = 2.0**-1022
ROOT = 0x3FE6A09E667F3BCD  # the bits of √½
# (2·artanh(s) − 2s)/s³ in powers of s²
ARTANH = (0.6666666666666666, 0.40000000000000885, 0.28571428570799784, 0.22222222392581262, 0.18181795547497948,
          0.15386244738881708, 0.13268638335555463, 0.1308803520312611)  # fmt: skip


def parts(x):
    """e and f of a positive number, subnormal ones too."""
    small = x < LEAST_NORMAL
    e, f = parts_of_normal(select(small, x * 2.0**54, x))
    return e - select(small, x.like(54.0), 0.0), f


def parts_of_normal(x):
    bits = x.bits() + (0x3FF0000000000000 - ROOT)
    exponent = ((bits >> 52) | 0x4330000000000000).bits() - (2.0**52 + 1023.0)
    return exponent, ((bits & 0x000FFFFFFFFFFFFF) + ROOT).bits() - 1.0


def of_parts(e, f, more):
    """e·log 2 + log(1 + f) + more, where ``more`` is small."""
    s, half = f / (2.0 + f), 0.5 * f * f
    z = s * s
    low = s * (half + z * polynomial(z, *ARTANH)) + (e * LOG2_LOW + more)
    return e * LOG2_HIGH - ((half - low) - f)


def at_ends(x, result):
    """With what the logarithm is where it is no number: at 0, below, at infinity and at NaN."""
    return select(x > 0.0, select(x < INF, result, x), select(x.equals(0.0), x.like(-INF), x.like(NAN)))


def log(x):
    e, f = parts(x)
    return at_ends(x, of_parts(e, f, 0.0))


def log1p(x):
    near = 1.0 + x
    back = near - 1.0
    lost = ((1.0 - (near - back)) + (x - back)) / near  # of x, in rounding 1 + x
    e, f = parts_of_normal(near)
    result = of_parts(e, f, select(near < INF, lost, 0.0))
    return select(x.equals(0.0), x, at_ends(near, result))


def log1p_of_unit(x):
    """log(1 + x) for 0 ≤ x ≤ 1"""
    near = 1.0 + x
    large = near > 1.4142135623730951
    e, f = select(large, x.like(1.0), 0.0), select(large, 0.5 * near, near) - 1.0
    return of_parts(e, f, (x - (near - 1.0)) / near)


def log2(x):
    e, f = parts(x)
    return at_ends(x, e + of_parts(x.like(0.0), f, 0.0) * 1.4426950408889634)


def log10(x):
    e, f = parts(x)
    high, low = 3.01029995663611771306e-01, 3.69423907715893078616e-13  # of log10 2
    return at_ends(x, e * high + (e * low + of_parts(x.like(0.0), f, 0.0) * 0.4342944819032518))
