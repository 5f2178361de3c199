"""Arrays of duals: sums, means, products and choices of their elements, and products of matrices.

They are Numba's own arrays: indexing, slices, iteration, ``np.empty_like`` and expressions element by element are
Numba's. Here is what Numba does for numbers of NumPy alone.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic, overload
from numba.np import arraymath

from . import arrays, patches, reductions  # noqa: F401
from .dual import Dual

OPTIONS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "nopython": True, "error_model": "numpy"}


def for_duals(*functions):
    """An overload of each, which Numba asks before its own. Methods are overloads of functions of Numba's."""

    def register(choose):
        for function in functions:
            overload(function, jit_options=OPTIONS, target="cpu")(choose)
        return choose

    return register


def _numbas(module, name):
    """A method's function, which is private to Numba."""
    return [getattr(module, name)] if hasattr(module, name) else []


def duals_in(*kinds) -> Dual | None:
    """The type of the duals in these arrays."""
    return next((a.dtype for a in kinds if isinstance(a, types.Array) and isinstance(a.dtype, Dual)), None)


def _is_absent(kind):
    return kind is None or isinstance(kind, (types.NoneType, types.Omitted))


@intrinsic
def number_like(typingctx, array, number):
    """A number as one of the array's duals."""
    to = array.dtype
    return to(array, number), lambda context, builder, signature, args: context.cast(
        builder, args[1], signature.args[1], to
    )


@intrinsic
def dtype_among(typingctx, a, b):
    """The dtype of those of the two that are duals."""
    to = types.DType(duals_in(a, b) or next(each for each in (a, b) if isinstance(each, Dual)))
    return to(a, b), lambda context, builder, signature, args: context.get_dummy_value()


@for_duals(np.sum)
def _sum_with_dtype(a, axis=None, dtype=None):
    """As SciPy's ``rosen`` writes it."""
    is_vector = duals_in(a) and a.ndim == 1 and getattr(dtype, "dtype", None) == a.dtype
    return (lambda a, axis=None, dtype=None: np.sum(a)) if is_vector else None


@for_duals(np.var, *_numbas(arraymath, "array_var"))
def _var(a):
    def variance(a):
        middle, total = np.mean(a), number_like(a, 0.0)
        for v in a.flat:
            total = total + (v - middle) * (v - middle)
        return total / a.size

    return variance if duals_in(a) else None


@for_duals(np.cumsum, *_numbas(arraymath, "array_cumsum"))
def _cumsum(a, axis=None, dtype=None):
    def sums(a, axis=None, dtype=None):
        out, total = np.empty(a.size, a.dtype), number_like(a, 0.0)
        for i, v in enumerate(a.flat):
            total = total + v
            out[i] = total
        return out

    return sums if duals_in(a) and a.ndim == 1 and _is_absent(dtype) else None


@for_duals(abs)
def _abs(x):
    return (lambda x: np.abs(x)) if duals_in(x) else None


@for_duals(np.array)
def _array(object, dtype=None):
    item = getattr(object, "dtype", None) if isinstance(object, (types.List, types.UniTuple)) else None

    def array(object, dtype=None):
        out = np.empty(len(object), dtype_among(object[0], object[0]))
        for i in range(len(object)):
            out[i] = object[i]
        return out

    return array if isinstance(item, Dual) and _is_absent(dtype) else None
