"""Arrays, starts and bounds of ``curve_fit_many`` and ``least_squares_many``."""

import numpy as np

from ..arrays.host import refuse_device
from ..errors import describe, spell
from .arguments import start
from .squares_evaluation import check_size


def starts(name, X0):
    """A copy, float32 or float64."""
    refuse_device(name, X0)
    try:
        X = np.asarray(X0)
    except Exception:  # whatever its items raise
        raise ValueError(f"{name} must be an array of numbers, got {describe(X0)}, which does not make one") from None
    if X.ndim != 2:
        raise ValueError(f"{name} must have shape (k, d), got {spell(X.shape)}")
    check_size(name, X.shape[1])
    return start(X.reshape(-1)).reshape(X.shape)


def reals(name, a):
    """Raises unless it is an array of real numbers, or makes one."""
    refuse_device(name, a)
    try:
        out = np.asarray(a)
    except Exception:  # whatever its items raise
        raise ValueError(f"{name} must be an array of numbers, got {describe(a)}, which does not make one") from None
    if out.dtype.kind not in "iuf" or out.dtype.itemsize > 8:
        raise TypeError(f"{name} must be an array of real numbers, got {describe(out)}")
    return out


def check_points(name, shape, whole):
    """``whole`` is the shape of Y."""
    if shape not in (whole, whole[1:]):
        n = whole[1]
        raise ValueError(f"{name} must have shape ({n},) or {spell(whole)}, as Y has {n} points, got {spell(shape)}")


def arranged(arrays):
    """Those of each problem, those of all, and where each array is among them."""
    own = [i for i, a in enumerate(arrays) if a.ndim == 2]
    others = [i for i, a in enumerate(arrays) if a.ndim == 1]
    order = own + others
    return tuple(arrays[i] for i in own), tuple(arrays[i] for i in others), [order.index(i) for i in range(len(order))]


def limits(bounds, X, name):
    """Lows and highs as an array (2, k, d), or (2, k, 0) where there are none."""
    if bounds is None:
        return np.empty((2, len(X), 0), X.dtype)
    if hasattr(bounds, "lb"):
        bounds = bounds.lb, bounds.ub
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair of lows and highs, got {describe(bounds)}")
    try:
        out = np.empty((2, *X.shape), X.dtype)
        for side, to in zip(bounds, out):
            to[:] = np.asarray(side, X.dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be two numbers or arrays of shape ({X.shape[1]},), got {describe(bounds)}"
        ) from None
    if not (out[0] < out[1]).all():
        i, j = np.argwhere(~(out[0] < out[1]))[0]
        raise ValueError(f"bounds must have low < high, got ({out[0, i, j]}, {out[1, i, j]}) for parameter {j}")
    outside = (out[0] > X) | (out[1] < X)
    if outside.any():
        i, j = np.argwhere(outside)[0]
        raise ValueError(f"{name} must be within the bounds, got {X[i, j]} for parameter {j} of problem {i}")
    return out
