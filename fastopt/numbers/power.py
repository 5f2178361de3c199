"""pow: x to the y as exp(y·log x), the logarithm in two floats. Texts of emitted float64 (emitted.py)."""

from .emitted import absolute, copysign, floor, select
from .exponential import TWICE, powers_of_two, reduced, rest
from .logarithm import LOG2_HIGH, LOG2_LOW, parts
from .polynomial import INF, NAN, clamp, polynomial, product, total

THIRDS = 0.6666666666666666, 3.700743415417188e-17  # 2/3 in two floats
# (2·artanh(s) − 2s − 2s³/3)/s⁵ in powers of s²
ARTANH = (0.4, 0.2857142857142937, 0.22222222221652765, 0.18181818336100042, 0.15384594886986175,
          0.13334808799953698, 0.11706126434027067, 0.11724327379875762)  # fmt: skip


def log_in_two(x):
    """log x of a positive number, as a sum of two floats, to 2⁻⁶⁵ of it."""
    e, f = parts(x)
    base = 2.0 + f
    lost = f - (base - 2.0)
    s = f / base
    high, low = product(s, base)
    s_low = (((f - high) - low) - s * lost) / base
    z, z_low = product(s, s)
    z_low = z_low + 2.0 * s * s_low
    cube, cube_low = product(s, z)
    cube_low = cube_low + s * z_low + s_low * z
    third, third_low = product(cube, x.like(THIRDS[0]))
    third_low = third_low + cube_low * THIRDS[0] + cube * THIRDS[1]
    high, low = total(2.0 * s, third)
    low = low + (third_low + 2.0 * s_low + cube * z * polynomial(z, *ARTANH))
    exponent = e * LOG2_HIGH
    sum_high = exponent + high  # either may be the larger
    back = sum_high - exponent
    lost = (exponent - (sum_high - back)) + (high - back)
    return total(sum_high, lost + (low + e * LOG2_LOW))


def pow(x, y):
    size = absolute(x)
    log_high, log_low = log_in_two(size)
    log_high = select(size.equals(0.0), x.like(-INF), select(size < INF, log_high, size))
    high, low = product(log_high, y)
    low = select(absolute(high) < 1000.0, low + log_low * y, 0.0)
    bits, n, high = reduced(clamp(high, -746.0, 710.0), TWICE)
    first, second = powers_of_two(bits)
    result = (1.0 + rest(high, n * LOG2_LOW - low)) * first * second
    return _with_signs(x, y, result)


def _with_signs(x, y, result):
    """What the C library gives for negative numbers, for zeros and ones."""
    half, size = y * 0.5, absolute(x)
    whole = floor(y).equals(y)
    odd = whole & floor(half).differs(half)
    result = select(odd, copysign(result, x), result)
    result = select((x < 0.0) & ~whole & (size < INF), x.like(NAN), result)
    one = y.equals(0.0) | x.equals(1.0) | (size.equals(1.0) & absolute(y).equals(INF))
    return select(one, x.like(1.0), result)


MOST = 64  # the largest whole exponent that is a product: its error grows with it


def integer_power(x, n: int):
    """The product that Numba makes of ``x ** n`` with a whole number: by squaring, the reciprocal last."""
    result, factor, left = None, x, abs(n)
    while left:
        if left & 1:
            result = factor if result is None else result * factor
        left >>= 1
        factor = factor * factor if left else factor
    result = x.like(1.0) if result is None else result
    return 1.0 / result if n < 0 else result
