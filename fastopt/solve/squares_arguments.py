"""Arrays, starts and bounds of ``curve_fit_many`` and ``least_squares_many``."""

import numpy as np

from ..arrays.host import refuse_device, remedy
from ..errors import describe, spell
from . import arguments
from .squares_evaluation import check_size


def starts(name, X0):
    """As of any problems, where they have not too many variables."""
    refuse_device(name, X0)
    X = arguments.starts(name, X0)
    check_size(name, X.shape[1])
    return X


def reals(name, a):
    """Raises unless it is an array of real numbers, or makes one."""
    refuse_device(name, a)
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked one: pass a.filled(np.nan)")
    try:
        out = np.asarray(a)
    except Exception:  # whatever its items raise
        how = remedy(a) if hasattr(a, "detach") else ", which does not make one"
        raise ValueError(f"{name} must be an array of numbers, got {describe(a)}{how}") from None
    if out.dtype.kind not in "iuf" or out.dtype.itemsize > 8:
        raise TypeError(f"{name} must be an array of real numbers, got {describe(out)}")
    return out


def check_points(name, shape, whole):
    """``whole`` is the shape of Y."""
    if shape not in (whole, whole[1:]):
        n = whole[1]
        raise ValueError(f"{name} must have shape ({n},) or {spell(whole)}, as Y has {n} points, got {spell(shape)}")


def are_several(xdata):
    """Whether it is a tuple of independent variables."""
    if isinstance(xdata, tuple) and not xdata:
        raise ValueError("xdata must be an array or a tuple of arrays, got an empty tuple")
    return isinstance(xdata, tuple)


def arranged(arrays):
    """Those of each problem, those of all, and where each array is among them."""
    own = [i for i, a in enumerate(arrays) if a.ndim == 2]
    others = [i for i, a in enumerate(arrays) if a.ndim == 1]
    order = own + others
    return tuple(arrays[i] for i in own), tuple(arrays[i] for i in others), [order.index(i) for i in range(len(order))]


def _side(side, X):
    """Lows or highs that fit X."""
    d = X.shape[1]
    try:
        a = np.asarray(side, X.dtype)
    except Exception:  # whatever its items raise
        raise TypeError(f"bounds must be numbers or arrays of shape ({d},), got {describe(side)}") from None
    if a.shape not in ((), (1,), (d,), X.shape):  # (1,) of SciPy's Bounds(0, 1)
        raise ValueError(
            f"bounds must be two numbers or arrays of shape ({d},) or {spell(X.shape)}, got {spell(a.shape)}"
        )
    if np.isnan(a).any():
        raise ValueError("bounds must be numbers, infinite where there is none, got NaN or None")
    return a


def limits(bounds, X, name):
    """Lows and highs as an array (2, k, d), or (2, k, 0) where there are none."""
    if bounds is None:
        return np.empty((2, len(X), 0), X.dtype)
    if hasattr(bounds, "lb"):
        bounds = bounds.lb, bounds.ub
    if not isinstance(bounds, (tuple, list, np.ndarray)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair of lows and highs, got {describe(bounds)}")
    out = np.empty((2, *X.shape), X.dtype)
    for side, to in zip(bounds, out):
        to[:] = _side(side, X)
    if not (out[0] < out[1]).all():
        i, j = np.argwhere(~(out[0] < out[1]))[0]
        low, high = out[:, i, j]
        raise ValueError(f"bounds must be lows and highs, low < high, got ({low}, {high}) for parameter {j}")
    outside = (out[0] > X) | (out[1] < X)
    if outside.any():
        i, j = np.argwhere(outside)[0]
        raise ValueError(f"{name} must be within the bounds, got {X[i, j]} for parameter {j} of problem {i}")
    return out
