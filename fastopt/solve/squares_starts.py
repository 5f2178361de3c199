"""Several starts for each problem of least squares: where they are, and which fit is kept."""

import inspect

import numpy as np

from .. import checks
from ..errors import quote, shorten, spell
from ..kernels.loops.least_squares import KEPT_COST, NIT, RANK, STATUS
from ..kernels.loops.minimize import NONFINITE, RAISED, RUNNING
from .endings import SUCCESS
from .squares import Solved
from .squares_arguments import reals
from .squares_arguments import starts as copied
from .squares_evaluation import check_size

MOST = 1 << 20  # starts, which are all tried at once


def cube(n, d, seed):
    """A Latin hypercube: n points in the unit cube, of which each n-th of each side has one."""
    rng = np.random.default_rng(seed)
    return (rng.permuted(np.tile(np.arange(n), (d, 1)), axis=1).T + rng.random((n, d))) / max(n, 1)


def placed(points, low, high):
    """Points of the unit cube within the bounds of each problem: (k, n, d)."""
    low, high = low[:, None], high[:, None]
    return np.clip(low * (1.0 - points) + high * points, low, high).astype(low.dtype)


def best(tried, begun, n):
    """Of n fits of each problem the one with the least cost, of equals a success; and how many were begun.

    Iterations are those of all. A problem of which one fit still runs has not ended.
    """
    status = tried.counts[:, STATUS].reshape(-1, n)
    cost = tried.kept[:, KEPT_COST].reshape(-1, n)
    cost = np.where(np.isnan(cost) | np.isin(status, (RAISED, NONFINITE)), np.inf, cost)
    is_worse = ~np.isin(status, SUCCESS)
    first = np.lexsort((is_worse, cost))[:, 0]
    kept = Solved(*(a[np.arange(len(first)) * n + first] for a in tried))
    kept.counts[:, NIT] = tried.counts[:, NIT].reshape(-1, n).sum(axis=1)
    runs = (status == RUNNING).any(axis=1)
    kept.counts[runs, STATUS], kept.counts[runs, RANK] = RUNNING, 0
    for errors in (kept.cov, kept.stderr):
        errors[runs] = np.nan
    return kept, begun.reshape(-1, n).sum(axis=1)


def other_starts(starts, seed, X, limited, given):
    """The starts beside X in a unit cube, of so many in all; X, unless it was ``given``, becomes the first of them."""
    low, high = limited
    infinite = ~(np.isfinite(low) & np.isfinite(high))
    if low.shape != X.shape:
        raise ValueError(f"bounds must be given and finite for starts, got {starts} starts and no bounds")
    if infinite.any():
        i, j = np.argwhere(infinite)[0]
        raise ValueError(f"bounds must be finite for starts, got ({low[i, j]}, {high[i, j]}) for parameter {j}")
    points = cube(starts - given, X.shape[1], seed)
    if given:
        return points
    X[:] = placed(points[:1], low, high)[:, 0]
    return points[1:]


def check_starts(starts, seed):
    if starts is not None and checks.count("starts", starts) > MOST:
        raise ValueError(f"starts must be at most {MOST}, got {quote(starts)}")
    if checks.integer("seed", seed) < 0:
        raise ValueError(f"seed must be at least 0, got {quote(seed)}")


def first(P0, Y, f, starts):
    """A row for each problem, of NaN where P0 is left out; float32 where Y is, and P0 if it is an array."""
    if P0 is None:
        if starts is None:
            raise TypeError("P0 must be given, or starts and bounds, got neither")
        d = _parameters(f.py_func)
        check_size("f", d)
        return np.full((len(Y), d), np.nan, np.float32 if Y.dtype == np.float32 else np.float64)
    P = reals("P0", P0)
    narrow = Y.dtype == np.float32 and (P.dtype == np.float32 or not isinstance(P0, np.ndarray))
    if P.ndim == 1:
        P = np.broadcast_to(P, (len(Y), P.size))
    if P.ndim != 2 or len(P) != len(Y):
        raise ValueError(f"P0 must have shape (d,) or ({len(Y)}, d), got {spell(P.shape)}")
    return copied("P0", P.astype(np.float32 if narrow else np.float64))


def _parameters(function):
    """How many a function of a point has beside it."""
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        name = shorten(function.__name__, 40)
        raise TypeError(f"P0 must be given, as {name} takes any number of parameters, got None")
    return len(kinds) - 1
