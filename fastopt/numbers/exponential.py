"""exp and what is made of it: expm1, sinh, cosh, tanh, sigmoid, softplus. Texts of emitted float64 (emitted.py).

Cody and Waite's reduction: x = n·log 2 + r with |r| ≤ ½·log 2, and a polynomial of r found by Chebyshev's points.
"""

from .emitted import absolute, copysign, madd, select
from .logarithm import log1p_of_unit
from .polynomial import SHIFT, clamp, polynomial

PER_LOG2 = 1.4426950408889634
LOG2_HIGH, LOG2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
EXPONENT = 0x7FF0000000000000  # the bits of a float64's exponent
# (eʳ − 1 − r)/r², of which r² times the error is least
REST = (0.5, 0.16666666666666433, 0.04166666666660395, 0.008333333333500052, 0.0013888888926800757,
        0.0001984126946619713, 2.480150867608855e-05, 2.7557640873687374e-06, 2.762518972861792e-07,
        2.4978381982497927e-08)  # fmt: skip


# (tanh x − x)/x³ in powers of x², for |x| < 0.6
TANH = (-0.3333333333333332, 0.13333333333326647, -0.053968253961384736, 0.021869488260176276, -0.008863229824094,
        0.003592058907770886, -0.0014553088663318695, 0.0005874356408905726, -0.00023077238182345804,
        7.959476025492855e-05, -1.724229434740653e-05)  # fmt: skip


def reduced(x, bias):
    """Of x = n·log 2 + r, |r| ≤ ½·log 2: an integer whose lowest bits are n + bias, n, and r but for n·LOG2_LOW."""
    shifted = madd(x, PER_LOG2, SHIFT + bias)
    n = shifted - (SHIFT + bias)
    return shifted.bits(), n, madd(n, -LOG2_HIGH, x)


def rest(high, low):
    """eʳ − 1 for r = high − low, |r| ≤ ½·log 2. That r itself is rounded is not seen."""
    r = high - low
    return high + madd(r * r, polynomial(r, *REST), -low)


def grown(x, bias):
    """The same integer, and eʳ − 1."""
    bits, n, high = reduced(x, bias)
    return bits, rest(high, n * LOG2_LOW)


def power_of_two(bits):
    """2ⁿ of such an integer with a bias of 1023, for -1023 < n < 1024."""
    return (bits << 52).bits()


TWICE = 2046  # the bias of two powers of two


def powers_of_two(bits):
    """Two of which 2ⁿ is the product, for it may itself be no float where a number times it is one."""
    first = (bits << 51) & EXPONENT
    return first.bits(), ((bits << 52) - first).bits()


def exp(x):
    bits, less = grown(clamp(x, -746.0, 710.0), TWICE)
    first, second = powers_of_two(bits)
    return madd(less, first, first) * second


def expm1(x):
    bits, less = grown(clamp(x, -50.0, 710.0), 1022)  # 2ⁿ overflows before the result does
    half = power_of_two(bits)
    return select(absolute(x) < 1e-17, x, madd(half, less, half - 0.5) * 2.0)


def sigmoid(x):
    """1/(1 + e⁻ˣ), which is e/(1 + e) of e = e^−|x| or one minus that, corrected for what was rounded away."""
    bits, less = grown(clamp(-absolute(x), -746.0, 0.0), TWICE)
    first, second = powers_of_two(bits)
    whole = 1.0 + less
    small, small_low = whole * first * second, (less - (whole - 1.0)) * first * second
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
    bits, less = grown(2.0 * clamp(size, 0.0, 20.0), 1023)
    power = power_of_two(bits)
    large = 1.0 - 2.0 / madd(power, less, power + 1.0)
    return copysign(select(size < 0.6, small, large), x)


def quarters(x):
    """¼·e^|x| and ¼·(e^|x| − 1), of which no part overflows before their doubles do."""
    bits, less = grown(clamp(absolute(x), 0.0, 710.5), 1021)
    quarter = power_of_two(bits)
    return madd(quarter, less, quarter), madd(quarter, less, quarter - 0.25)


def sinh(x):
    size, (quarter, less) = absolute(x), quarters(x)
    small = 2.0 * less + less / (2.0 * less + 0.5)
    return copysign(select(size < 1e-9, size, select(size < 22.0, small, 2.0 * quarter)), x)


def cosh(x):
    quarter, _ = quarters(x)
    return 2.0 * quarter + 0.125 / quarter
