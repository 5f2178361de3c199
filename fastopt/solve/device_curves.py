"""The arrays of a ``curve_fit_many`` on a GPU."""

import numpy as np

from ..arrays.libraries import is_on_device
from ..errors import spell
from ..kernels.cuda import gpu, kernels
from ..kernels.cuda import points as points_of
from ..kernels.cuda.minimize import THREADS
from .device_problems import kind
from .device_squares import function_of
from .squares_arguments import arranged, check_points, limits, reals, starts
from .squares_evaluation import Model, check_curve


def given(target, f, xdata, Y, P0, sigma, bounds, s):
    """What ``fitted_there`` takes."""
    function, plain = function_of("f", f)
    place = target.describe("Y", Y)
    if len(place.shape) != 2:
        raise ValueError(f"Y must have shape (k, n), got {spell(place.shape)}")
    X = _starts(target, P0, place)
    several = isinstance(xdata, tuple)
    named = [(f"xdata[{i}]", x) for i, x in enumerate(xdata)] if several else [("xdata", xdata)]
    named += [] if sigma is None else [("sigma", sigma)]
    with target.current():
        arrays = [target.array(place, Y), *(_view(target, name, a, place) for name, a in named)]
        gpu.finish()  # what made the arrays, on whatever streams
        stream = target.stream((Y, *(a for _, a in named)))
        points = _points(arrays[0], None if sigma is None else arrays[-1], stream)
        if sigma is not None:
            arrays[-1] = _reciprocals(target.beside("sigma", sigma, "Y"), sigma, stream)
    args, shared, places = arranged(arrays)
    at = tuple(places[1 : 1 + len(xdata)]) if several else places[1]
    model = Model(function, (at, None if sigma is None else places[-1]), "f", check_curve(plain, X.shape[1]))
    return model, X, (args, shared, (Y, *(a for _, a in named))), limits(bounds, X, "P0"), s, points


def _starts(target, P0, Y):
    """A row for each problem, on the host."""
    k = Y.shape[0]
    if P0 is None:
        raise TypeError("P0 must be given for arrays on the GPU, got None")
    if is_on_device(P0):
        place = target.describe("P0", P0)
        _check_dtype("P0", place.dtype, Y.dtype)
        P, shapes = target.on_host("P0", P0), f"(d,) or ({k}, d)"
    else:
        P, shapes = reals("P0", P0), "(d,), or to be on the GPU like Y"
    if P.ndim != 1 and (P.ndim != 2 or len(P) != k or not is_on_device(P0)):
        raise ValueError(f"P0 must have shape {shapes}, got {spell(P.shape)}")
    return starts("P0", np.broadcast_to(P, (k, P.shape[-1])).astype(Y.dtype))


def _view(target, name, a, Y):
    place = target.beside(name, a, "Y")
    _check_dtype(name, place.dtype, Y.dtype)
    check_points(name, place.shape, Y.shape)
    return target.array(place, a)


def _check_dtype(name, dtype, expected):
    if dtype != expected:
        raise TypeError(f"{name} must be {expected} like Y, got {dtype}")


def _points(Y, sigma, stream):
    """How many points of each curve are known."""
    points, wrong = (gpu.from_host(np.zeros(size, np.int64)) for size in (len(Y), 1))
    kernel = points_of.known(kind(Y), None if sigma is None else kind(sigma))
    if len(Y):
        kernel(stream, -(-len(Y) // THREADS), Y, Y if sigma is None else sigma, points, wrong, threads=THREADS)
    if gpu.to_host(wrong)[0]:
        raise ValueError("sigma must be positive where Y is known, got a number that is not")
    return gpu.to_host(points).astype(float)


def _reciprocals(place, sigma, stream):
    flat, out = gpu.view(place.address, (place.size,), "C", place.dtype, sigma), gpu.array(place.size, place.dtype)
    if place.size:
        points_of.reciprocals(kind(flat).dtype)(stream, kernels.blocks(place.size, 1), flat, out)
    return gpu.view(gpu.address_of(out), place.shape, place.order, place.dtype, out)
