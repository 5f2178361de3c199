"""sin and cos. Texts of emitted float64 (emitted.py).

x = q·π/2 + r with |r| ≤ π/4; both of the sine and the cosine of r are computed, and q's last two bits choose. π/2 is
taken in three parts, of which two have 33 bits: q times these is exact for |x| ≤ 10⁶. Up to 10¹⁵ the result is that of
a number that differs from x by at most one in the last place; beyond q has no bits left for its last.
"""

from .emitted import absolute, madd, select
from .polynomial import INF, NAN, clamp, polynomial, rounded

HIGH, MIDDLE, LOW = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21  # together π/2
PER_QUARTER = 0.6366197723675814  # 2/π
# (sin r − r)/r³ and (cos r − 1 + r²/2)/r⁴, in powers of r²
SINE = (-0.16666666666666666, 0.008333333333330925, -0.00019841269836722418, 2.755731608381636e-06,
        -2.5051127944014188e-08, 1.5917848524808262e-10)  # fmt: skip
COSINE = (0.041666666666666664, -0.0013888888888887382, 2.480158729874307e-05, -2.7557317260008837e-07,
          2.0876143827993133e-09, -1.1382456778061306e-11)  # fmt: skip


def of_quarter(x, further):
    """sin(x + further·π/2)"""
    q, shifted = rounded(x * PER_QUARTER)
    middle, low = q * MIDDLE, q * LOW
    less = middle + low  # rounded apart from r, which is then rounded once, unless it is tiny
    r = (madd(q, -HIGH, x) - less) - (low - (less - middle))
    r = clamp(r, -0.8, 0.8)  # a huge x leaves anything
    z = r * r
    sine = madd(r * z, polynomial(z, *SINE), r)
    near = 1.0 - 0.5 * z
    cosine = near + (((1.0 - near) - 0.5 * z) + z * z * polynomial(z, *COSINE))
    quarter = shifted.bits() + further
    result = select((quarter & 1).equals(0), sine, cosine)
    result = (result.bits() ^ ((quarter & 2) << 62)).bits()
    return select(absolute(x) < INF, result, NAN)


def sin(x):
    return select(absolute(x) < 1e-9, x, of_quarter(x, 0))


def cos(x):
    return of_quarter(x, 1)
