"""What users hand to ``minimize`` and ``minimize_many``, as the loops take it: x0, bounds, args, callbacks."""

import inspect

import numpy as np
from numba import typeof

from ..arrays.host import refuse_device
from ..errors import describe, spell


def start(x0):
    """A copy of x0 as a vector of float32 or float64."""
    refuse_device("x0", x0)
    try:
        x = np.array(x0)  # a copy
    except Exception:  # whatever its items raise
        raise ValueError(f"x0 must be an array of numbers, got {describe(x0)}, which does not make one") from None
    if x.dtype.kind not in "iuf" or x.dtype.itemsize > 8:
        raise TypeError(f"x0 must be an array of real numbers, got {describe(x)}")
    if x.ndim > 1:
        raise ValueError(f"x0 must have one dimension, got shape {x.shape}")
    return np.ascontiguousarray(np.atleast_1d(x), np.float32 if x.dtype == np.float32 else np.float64)


def limits(bounds, x):
    """Lower and upper bounds as arrays like x (of one problem, or of many), without elements where there are none.

    x is projected on them.
    """
    if bounds is None:
        return none_like(x), none_like(x)
    low, high = _sides(bounds, x.shape[-1])
    try:
        low, high = np.array(low, x.dtype), np.array(high, x.dtype)
    except (TypeError, ValueError):
        raise TypeError(f"bounds must be numbers or None, got {describe(bounds)}") from None
    try:
        wide = [np.array(np.broadcast_to(side, x.shape), order="C") for side in (low, high)]
    except ValueError:
        raise ValueError(f"bounds must have shape {x.shape}, got {low.shape}, {high.shape}") from None
    low, high = wide
    if not np.all(low <= high):
        i = tuple(np.argwhere(~(low <= high))[0].tolist())
        of = f" of problem {i[0]}" if len(i) == 2 else ""
        raise ValueError(f"bounds must have low <= high, got ({low[i]}, {high[i]}) for variable {i[-1]}{of}")
    np.clip(x, low, high, out=x)
    return low, high


def _sides(bounds, d):
    if hasattr(bounds, "lb"):
        return bounds.lb, bounds.ub
    try:
        pairs = [(low, high) for low, high in bounds]
    except (TypeError, ValueError):
        raise TypeError(f"bounds must be pairs (low, high), got {describe(bounds)}") from None
    if len(pairs) != d:
        raise ValueError(f"bounds must have one pair for each of the {d} variables, got {len(pairs)}")
    return [-np.inf if low is None else low for low, _ in pairs], [
        np.inf if high is None else high for _, high in pairs
    ]


def scales(x_scale, x):
    """The scale of each variable as an array like x, without elements where there is none."""
    if x_scale is None:
        return none_like(x)
    try:
        scale = np.array(x_scale, x.dtype)
    except Exception:  # whatever its items raise
        raise TypeError(f"x_scale must be numbers, got {describe(x_scale)}") from None
    if not np.all((scale > 0.0) & (scale < np.inf)):
        raise ValueError(f"x_scale must be positive and finite, got {scale[~((scale > 0.0) & (scale < np.inf))][0]}")
    try:
        return np.array(np.broadcast_to(scale, x.shape), order="C")
    except ValueError:
        raise ValueError(f"x_scale must have shape {x.shape}, got {scale.shape}") from None


def none_like(x):
    return x[..., :0]


def argument_types(args, name="args"):
    for i, a in enumerate(args):
        refuse_device(f"{name}[{i}]", a)
        if not isinstance(a, (np.ndarray, np.generic, int, float, complex)):
            raise TypeError(f"{name}[{i}] must be an array or a number for a Numba function, got {describe(a)}")
    return typeof(args)


def collector(iterates, notify):
    """A callback that keeps every iterate, and calls another."""

    def keep(result):
        iterates.append(result.x)
        if notify is not None:
            notify(type(result)(result | {"x": result.x.copy()}))

    return keep


def notifier(callback):
    """The callback in either of SciPy's forms, as a function of the intermediate result."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {describe(callback)}")
    try:
        by_name = set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except ValueError:  # a builtin without a signature
        by_name = False
    if by_name:
        return lambda result: callback(intermediate_result=result)
    return lambda result: callback(result.x)


def starts(name, X0):
    """Of many problems where each starts: a copy of shape (k, d), float32 or float64."""
    try:
        X = np.asarray(X0)
    except Exception:  # whatever its items raise
        raise ValueError(f"{name} must be an array of numbers, got {describe(X0)}, which does not make one") from None
    if X.ndim != 2:
        raise ValueError(f"{name} must have shape (k, d), got {spell(X.shape)}")
    return start(X.reshape(-1)).reshape(X.shape)
