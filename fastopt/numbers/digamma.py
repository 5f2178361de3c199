"""The derivative of ``lgamma``, which neither Numba nor NumPy has."""

import math

from numba import njit

# B(2k) / 2k of the asymptotic series, with Bernoulli's numbers
SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


@njit(error_model="numpy")
def digamma(x):
    """The logarithmic derivative of the gamma function; NaN at its poles 0, -1, -2, ..."""
    if x <= 0.0 and x == math.floor(x):
        return math.nan
    result = 0.0
    if x < 0.0:  # by reflection; the fraction is exact
        result -= math.pi / math.tan(math.pi * (x - math.floor(x)))
        x = 1.0 - x
    while x < 12.0:
        result -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    tail = 0.0
    for k in range(len(SERIES) - 1, -1, -1):
        tail = (tail + SERIES[k]) * z
    return result + math.log(x) - 0.5 / x - tail
