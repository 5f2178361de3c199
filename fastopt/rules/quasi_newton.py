"""The next direction of memoryless BFGS from sums over the line before it, and how far to go along it at first.

The line went ``step`` times d, and the gradient changed by y = g − g₀. ``b`` is the diagonal, 0 before an array's first
step, when it is 1/lr.
"""

from math import sqrt

from .line_search import begun

MOST = 2.0  # how long the first step of a line may be, as a multiple of the last one of the line before


def known(b, first, zero):
    return b if b != zero else first


def slope(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return g * d


def bend(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return (g - g0) * d


def gg(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return g * g / known(b, first, zero)


def yg(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return (g - g0) * g / known(b, first, zero)


def yy(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return (g - g0) * (g - g0) / known(b, first, zero)


def dd(p, g, d, g0, b, first, sigma, zero, trial, low, down, high, up, start, tries):
    return d * d * known(b, first, zero)


SUMS = {"slope": slope, "bend": bend, "gg": gg, "yg": yg, "yy": yy, "dd": dd}


def turned(step, first, sums):
    """The coefficients of the next direction, and its line."""
    slope, bend, gg, yg, yy, dd = sums
    length, r = step * sqrt(dd), step * bend / yy if yy > 0.0 else 0.0
    if r > 0.0 and dd > 0.0:
        a = slope / bend
        k = (2.0 * a - yg / yy) * step
        start = -r * (gg - a * yg) - k * slope
        size = sqrt(abs(r * r * (gg - 2.0 * a * yg + a * a * yy) + k * k * dd))
        if start < 0.0:
            new = 1.0 if size <= MOST * length else MOST * length / size
            return (new, 1.0, a, r, k, 1.0 / dd, 1.0 / (step * bend)), begun(new, start)
    new = length / sqrt(gg) if length > 0.0 and gg > 0.0 else 1.0 / sqrt(first * gg) if first * gg != 0.0 else 0.0
    return (new, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0), begun(new, -gg)
