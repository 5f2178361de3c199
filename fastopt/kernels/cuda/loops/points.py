"""Loops over what was observed at the points of curves."""

import math

from ....linking import UNBOUND, stand_in

cuda = UNBOUND


@stand_in
def deviation(sigma, i, j):
    """Stands for the standard deviation of point j of curve i."""


def of_none(sigma, i, j):
    return 1.0


def of_all(sigma, i, j):
    return sigma[j]


def of_each(sigma, i, j):
    return sigma[i, j]


def known(y, sigma, points, wrong):
    """How many points of each curve are known; ``wrong`` says whether one of these has no deviation above zero."""
    i = cuda.grid(1)
    if i < points.size:
        count = 0
        for j in range(y.shape[1]):
            if not math.isnan(y[i, j]):
                count += 1
                if not deviation(sigma, i, j) > 0.0:
                    wrong[0] = 1
        points[i] = count


def reciprocals(a, out):
    i = cuda.grid(1)
    while i < out.size:
        out[i] = 1.0 / a[i]
        i += cuda.gridsize(1)
