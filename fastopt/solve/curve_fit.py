"""Many curves of one kind fitted at once, with standard errors."""

import inspect

import numpy as np

from ..arrays.host import refuse_device
from ..errors import describe, shorten, spell
from . import squares_settings
from .least_squares import fitted, limits, starts
from .squares_evaluation import Model, check_function


def curve_fit_many(
    f,
    xdata,
    Y,
    P0,
    sigma=None,
    absolute_sigma=False,
    bounds=None,
    loss="linear",
    *,
    f_scale=1.0,
    ftol=1e-8,
    xtol=1e-8,
    gtol=1e-8,
    maxiter=None,
    maxtime=None,
    lanes=None,
    progress=False,
):
    s = squares_settings.settings(loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes, absolute_sigma)
    check_function("f", f)
    Y = _reals("Y", Y)
    if Y.ndim != 2:
        raise ValueError(f"Y must have shape (k, n), got {spell(Y.shape)}")
    X = _starts(P0, Y)
    data = _Data(X.dtype, Y.shape)
    Y = np.asarray(Y, X.dtype)
    data.add("Y", Y)
    several = isinstance(xdata, tuple)
    for i, x in enumerate(xdata if several else (xdata,)):
        data.add(f"xdata[{i}]" if several else "xdata", x)
    observed = ~np.isnan(Y)
    if sigma is not None:
        data.add("sigma", _weights(sigma, observed, X.dtype))
    args, shared, places = data.arranged()
    at = tuple(places[1 : 1 + len(xdata)]) if several else places[1]
    call = _call(f.py_func, X.shape[1])
    model = Model(f, (at, None if sigma is None else places[-1]), "f", call)
    return fitted(model, X, args, shared, limits(bounds, X, "P0"), s, observed.sum(axis=1).astype(float), progress)


class _Data:
    """Arrays of points, for each problem or for all, in the order in which they come."""

    def __init__(self, dtype, shape):
        self.dtype, self.shape, self.arrays = dtype, shape, []

    def add(self, name, a):
        a = np.ascontiguousarray(_reals(name, a), self.dtype)
        if a.shape not in (self.shape, self.shape[1:]):
            n, whole = self.shape[1], spell(self.shape)
            raise ValueError(f"{name} must have shape ({n},) or {whole}, as Y has {n} points, got {spell(a.shape)}")
        self.arrays.append(a)

    def arranged(self):
        """Those of each problem, those of all, and where each array is among them."""
        own = [i for i, a in enumerate(self.arrays) if a.ndim == 2]
        others = [i for i, a in enumerate(self.arrays) if a.ndim == 1]
        order = own + others
        return (
            tuple(self.arrays[i] for i in own),
            tuple(self.arrays[i] for i in others),
            [order.index(i) for i in range(len(order))],
        )


def _reals(name, a):
    refuse_device(name, a)
    try:
        out = np.asarray(a)
    except Exception:  # whatever its items raise
        raise ValueError(f"{name} must be an array of numbers, got {describe(a)}, which does not make one") from None
    if out.dtype.kind not in "iuf" or out.dtype.itemsize > 8:
        raise TypeError(f"{name} must be an array of real numbers, got {describe(out)}")
    return out


def _starts(P0, Y):
    """A row for each problem; float32 where Y is, and P0 if it is an array."""
    P = _reals("P0", P0)
    narrow = Y.dtype == np.float32 and (P.dtype == np.float32 or not isinstance(P0, np.ndarray))
    if P.ndim == 1:
        P = np.broadcast_to(P, (len(Y), P.size))
    if P.ndim != 2 or len(P) != len(Y):
        raise ValueError(f"P0 must have shape (d,) or ({len(Y)}, d), got {spell(P.shape)}")
    return starts("P0", P.astype(np.float32 if narrow else np.float64))


def _weights(sigma, observed, dtype):
    sigma = _reals("sigma", sigma)
    if sigma.shape in (observed.shape, observed.shape[1:]) and not ((sigma > 0.0) | ~observed).all():
        raise ValueError("sigma must be positive where Y is known, got a number that is not")
    with np.errstate(divide="ignore"):
        return (1.0 / sigma).astype(dtype)


def _call(function, d):
    """How f is called; raises where it cannot be."""
    names = [*inspect.signature(function).parameters][1:]
    shown = names if len(names) == d else [f"p{i}" for i in range(d)]
    call = f"f({', '.join(['t', *shown])}) -> float"
    try:
        inspect.signature(function).bind(*range(1 + d))
    except TypeError:
        given = f"{shorten(function.__name__, 40)}{shorten(str(inspect.signature(function)), 60)}"
        raise TypeError(f"f must be callable as {call} with {d} parameters, as P0 has, but it is {given}") from None
    return call
