"""The kernels of ``curve_fit_many`` on CUDA: loops/least_squares.py in a thread per problem, bound to residuals."""

from functools import lru_cache

import numba
import numpy as np
from numba import types
from numba.np.numpy_support import as_dtype

from ...linking import link
from ...numbers.truths import madd, some
from ...numbers.views import as_lanes
from .. import least_squares as squares
from .. import normal_equations
from ..described import vectors
from ..loops import covariance, trust_region
from ..loops import least_squares as loop
from . import gpu
from .bind import bound, linked_throughout
from .forward import teach
from .loops import least_squares as loops
from .loops.minimize import keep_control
from .minimize import INDEX, is_kept, matrix, rows, vector


def bound_loop(dtype, d, collect, count):
    """The loop of one problem, for the device."""
    info = np.finfo(dtype)
    solve = normal_equations.written_out(dtype, 1, d, squares.singular(dtype))
    numbers = {"some": some, "madd": madd, "call": link(loops.at_once, solve=solve), "SMALLEST": float(info.tiny)}
    of_numbers = vectors(vector(numba.from_dtype(dtype)))
    evaluated = link(loops.evaluated, collect=collect, rows=rows(count), vector=of_numbers, LENGTH=(d + 1) ** 2)
    return linked_throughout(
        loop.work, LANES=1, read=loops.as_given, as_lanes=as_lanes, evaluated=evaluated, bring=loops.bring,
        judge=linked_throughout(trust_region.judge, **numbers),
        propose=linked_throughout(trust_region.propose, **numbers),
        covariance=covariance.covariance, ROUNDING=float(info.eps),
        flush_on=keep_control, flush_off=keep_control, is_over=loops.is_enough,
    )  # fmt: skip


@lru_cache(maxsize=64)
def loop_kernel(curve, function, scalar, d, loss, args, shared) -> gpu.Kernel:
    """``(args, shared, problems, results, given, part, running)``: see loops/least_squares.py.

    ``function`` is the device's, of residuals if ``curve`` is None, else of one point: it says where arrays are then.
    ``scalar`` is the Numba type of X's elements, ``args`` and ``shared`` are Numba types of tuples.
    """
    teach()
    fill = squares.by_residuals if curve is None else squares.curve(*curve)
    collect = squares.collected(fill, function, d, loss)
    sizes = {"WIDTH": d, "SIDE": d + 1, "DTYPE": scalar, "WIDE": types.float64, "COUNTS": types.int64}
    kernel = bound(loops.many, work=bound_loop(as_dtype(scalar), d, collect, len(args)), **sizes)
    problems = types.Tuple((matrix(scalar), matrix(scalar), matrix(types.float64), matrix(types.int64)))
    cube = types.Array(scalar, 3, "F")
    results = types.Tuple((matrix(scalar), cube, matrix(scalar)))
    given = types.Tuple((cube, vector(types.float64), vector(types.int64)))
    kinds = args, shared, problems, results, given, INDEX, vector(types.int64)
    return gpu.Kernel(kernel, *kinds, cached=is_kept(function))
