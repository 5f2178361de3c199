"""The cube root in plain arithmetic: in vector registers it is three times as fast as a power, and rounds better."""

from math import sqrt


def fourth_root(a, one):
    return one * sqrt(one * sqrt(a))  # ``math`` returns Python's floats: of float32 they make doubles, but not here


def closer(y, a):
    """Halley's step to the root, divided by y so that nothing overflows: what was off by d is off by about d³."""
    square, quotient = y * y, a / y
    return y * ((square + quotient + quotient) / (square + square + quotient))


def cube_root(a, one):
    """The root of a number that is not negative, to two units of its last place; ``one`` is 1 in its dtype."""
    q = fourth_root(a, one)
    y = q  # in the end the power 1/4 + 1/16 + 1/64 + 1/256 + 1/1024: within 26 % for any float64
    q = fourth_root(q, one)
    y = y * q
    q = fourth_root(q, one)
    y = y * q
    q = fourth_root(q, one)
    y = y * q
    q = fourth_root(q, one)
    y = y * q
    y = closer(closer(closer(y, a), a), a)
    return y if y == y else a  # 0 and infinity are their own roots
