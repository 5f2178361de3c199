"""The covariance of a fit's parameters: the inverse of J'J, times the variance of a residual of unit weight.

J'J is scaled to a diagonal of ones first, which takes the units of the parameters out of its condition.
"""

import math

UNKNOWN = -1  # the rank of a matrix that rounding makes singular: SciPy's eigenvalues will tell


def covariance(normal, points, cost, absolute, least, work, cov, stderr):
    """Write the covariance and the standard errors; returns the rank, UNKNOWN where J'J is about singular.

    ``normal`` is the upper triangle of J'J; ``least`` the part of a scaled diagonal element that rounding may leave;
    ``work`` is (d + 1, d).
    """
    d = stderr.size
    variance = 1.0 if absolute else 2.0 * cost / (points - d) if points > d else math.nan
    n = 0
    for i in range(d):
        work[d, i] = math.sqrt(normal[n])
        n += d - i
    if not factorised(normal, least, work):
        return UNKNOWN
    invert(work)
    for i in range(d):
        for j in range(i, d):
            total = 0.0
            for k in range(j, d):
                total += work[k, i] * work[k, j]
            total *= variance / (work[d, i] * work[d, j])
            cov[i, j] = total
            cov[j, i] = total
            if i == j:
                stderr[i] = math.sqrt(total)
    return d


def factorised(normal, least, work):
    """The Cholesky factor of the scaled matrix, below the diagonal and on it; False if it has none."""
    d, n = work.shape[1], 0
    for i in range(d):
        for j in range(i, d):
            total = normal[n] / (work[d, i] * work[d, j])
            n += 1
            for k in range(i):
                total -= work[i, k] * work[j, k]
            if i == j:
                if not total > least:
                    return False
                work[i, i] = math.sqrt(total)
            else:
                work[j, i] = total / work[i, i]
    return True


def invert(work):
    """The lower triangular matrix, in its place."""
    d = work.shape[1]
    for i in range(d):
        work[i, i] = 1.0 / work[i, i]
    for j in range(d):
        for i in range(j + 1, d):
            total = 0.0
            for k in range(j, i):
                total += work[i, k] * work[k, j]
            work[i, j] = -total * work[i, i]
