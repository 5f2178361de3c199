"""exp and what is made of it: expm1, sinh, cosh, tanh, sigmoid, softplus. Texts of emitted float64 (emitted.py).

Cody and Waite's reduction: x = n·log 2 + r with |r| ≤ ½·log 2, and a polynomial of r found by Chebyshev's points.
"""

from .emitted import absolute, copysign, madd, select
from .logarithm import log1p_of_unit
from .polynomial import SHIFT, clamp, polynomial, power_of_two, rounded, scaled

PER_LOG2 = 1.4426950408889634
LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
# (eʳ − 1 − r)/r²
REST = (0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326112, 0.001388888888888373,
        0.0001984126987490126, 2.4801587325605324e-05, 2.7557255297969643e-06, 2.755727357010214e-07,
        2.5105259538448494e-08, 2.0914717341716378e-09)  # fmt: skip


# (tanh x − x)/x³ in powers of x², for |x| < 0.6
TANH = (-0.3333333333333332, 0.13333333333326647, -0.053968253961384736, 0.021869488260176276, -0.008863229824094,
        0.003592058907770886, -0.0014553088663318695, 0.0005874356408905726, -0.00023077238182345804,
        7.959476025492855e-05, -1.724229434740653e-05)  # fmt: skip


def reduced(x):
    """n, and r as the difference of two floats, for x = n·log 2 + r."""
    n, _ = rounded(x * PER_LOG2)
    return n, madd(n, -LOG2_HIGH, x), n * LOG2_LOW


def rest(high, low):
    """eʳ − 1 for r = high − low, |r| ≤ ½·log 2."""
    r = high - low
    return high + madd(r * r, polynomial(r, *REST), -low)


def exp(x):
    n, *r = reduced(clamp(x, -746.0, 710.0))
    return scaled(1.0 + rest(*r), n)


def expm1(x):
    n, *r = reduced(clamp(x, -50.0, 710.0))
    half = power_of_two((n - 1.0) + SHIFT)  # half of 2ⁿ, which overflows before the result does
    result = madd(half, rest(*r), half - 0.5) * 2.0
    return select(absolute(x) < 1e-17, x, result)


def sigmoid(x):
    """1/(1 + e⁻ˣ), which is e/(1 + e) of e = e^−|x| or one minus that, corrected for what was rounded away."""
    n, *r = reduced(clamp(-absolute(x), -746.0, 0.0))
    grown = rest(*r)
    whole = 1.0 + grown
    small, small_low = scaled(whole, n), scaled(grown - (whole - 1.0), n)
    below = 1.0 + small
    below_low = (small - (below - 1.0)) + small_low
    negative = x < 0.0
    quotient = select(negative, small, 1.0) / below
    reciprocal = select(negative, 1.0 - quotient, quotient)
    return quotient + (select(negative, small_low, 0.0) - quotient * below_low) * reciprocal


def softplus(x):
    """log(1 + eˣ)"""
    return select(x > 0.0, x, select(x <= 0.0, x.like(0.0), x)) + log1p_of_unit(exp(-absolute(x)))


def logaddexp(x, y):
    """log(eˣ + eʸ)"""
    larger, smaller = select(x > y, x, y), select(x > y, y, x)
    apart = select(x.equals(y), x.like(0.0), smaller - larger)  # two infinities are not NaN apart
    return select(x.differs(x), x, larger + log1p_of_unit(exp(apart)))


def tanh(x):
    size, square = absolute(x), x * x
    small = madd(size * square, polynomial(square, *TANH), size)
    n, *r = reduced(2.0 * clamp(size, 0.0, 20.0))
    large = 1.0 - 2.0 / (power_of_two(n + SHIFT) * (1.0 + rest(*r)) + 1.0)
    return copysign(select(size < 0.6, small, large), x)


def halves(x):
    """½·e^|x| and ½·(e^|x| − 1), with no overflow before the result has one."""
    n, *r = reduced(clamp(absolute(x), 0.0, 711.0))
    half = power_of_two((n - 1.0) + SHIFT)
    grown = rest(*r)
    return madd(half, grown, half), madd(half, grown, half - 0.5)


def sinh(x):
    size, (half, less) = absolute(x), halves(x)
    small = less + less / (2.0 * less + 1.0)
    return copysign(select(size < 1e-9, size, select(size < 22.0, small, half)), x)


def cosh(x):
    half, _ = halves(x)
    return half + 0.25 / half
