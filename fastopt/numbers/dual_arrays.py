"""Arrays of duals: sums, means, products and choices of their elements, and products of matrices.

They are Numba's own arrays: indexing, slices, iteration, ``np.empty_like`` and expressions element by element are
Numba's. Here is what Numba does for numbers of NumPy alone.
"""

import math
import operator

import numpy as np
from numba.core import types
from numba.extending import intrinsic, overload
from numba.np import arraymath

from . import patches  # noqa: F401
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


def _total(a, axis=None, dtype=None):
    total = number_like(a, 0.0)
    for v in a.flat:
        total = total + v
    return total


@for_duals(np.sum, *_numbas(arraymath, "array_sum"))
def _sum(a, axis=None, dtype=None):
    if not duals_in(a) or not (_is_absent(axis) or a.ndim == 1):
        return None
    return _total if _is_absent(dtype) or getattr(dtype, "dtype", None) == a.dtype else None


@for_duals(np.prod, *_numbas(arraymath, "array_prod"))
def _prod(a):
    def product(a):
        result = number_like(a, 1.0)
        for v in a.flat:
            result = result * v
        return result

    return product if duals_in(a) else None


@for_duals(np.mean, *_numbas(arraymath, "array_mean"))
def _mean(a):
    return (lambda a: np.sum(a) / a.size) if duals_in(a) else None


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


@for_duals(np.linalg.norm)
def _norm(x, ord=None):
    def norm(x, ord=None):
        total = number_like(x, 0.0)
        for v in x.flat:
            total = total + v * v
        return math.sqrt(total)

    return norm if duals_in(x) and _is_absent(ord) else None


@for_duals(np.where)
def _where(condition, x, y):
    if not isinstance(condition, types.Array) or not (duals_in(x, y) or isinstance(x, Dual) or isinstance(y, Dual)):
        return None

    def where(condition, x, y):
        out = np.empty(condition.shape, dtype_among(x, y))
        for i in np.ndindex(condition.shape):
            out[i] = np.where(condition[i], element(x, i), element(y, i))
        return out

    return where


def element(x, i):
    """That of an array; a number is its own."""


@for_duals(element)
def _element(x, i):
    return (lambda x, i: x[i]) if isinstance(x, types.Array) else (lambda x, i: x)


@for_duals(np.array)
def _array(object, dtype=None):
    item = getattr(object, "dtype", None) if isinstance(object, (types.List, types.UniTuple)) else None

    def array(object, dtype=None):
        out = np.empty(len(object), dtype_among(object[0], object[0]))
        for i in range(len(object)):
            out[i] = object[i]
        return out

    return array if isinstance(item, Dual) and _is_absent(dtype) else None


# --- products of vectors and matrices --------------------------------------------------------------------------------


def _vectors(a, b):
    if a.size != b.size:
        raise ValueError("the vectors of a product must have the same size")
    total = a[0] * b[0] * 0.0 if a.size else 0.0
    for i in range(a.size):
        total = total + a[i] * b[i]
    return total


def _matrix_vector(a, b):
    if a.shape[1] != b.size:
        raise ValueError("a matrix must have as many columns as the vector has elements")
    out = np.zeros(a.shape[0], dtype_among(a, b))
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i] = out[i] + a[i, j] * b[j]
    return out


def _vector_matrix(a, b):
    if a.size != b.shape[0]:
        raise ValueError("a matrix must have as many rows as the vector has elements")
    out = np.zeros(b.shape[1], dtype_among(a, b))
    for j in range(b.shape[0]):
        for i in range(b.shape[1]):
            out[i] = out[i] + a[j] * b[j, i]
    return out


def _matrices(a, b):
    if a.shape[1] != b.shape[0]:
        raise ValueError("the second matrix of a product must have as many rows as the first has columns")
    out = np.zeros((a.shape[0], b.shape[1]), dtype_among(a, b))
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(b.shape[1]):
                out[i, k] = out[i, k] + a[i, j] * b[j, k]
    return out


PRODUCTS = {(1, 1): _vectors, (2, 1): _matrix_vector, (1, 2): _vector_matrix, (2, 2): _matrices}


@for_duals(np.dot, np.vdot, operator.matmul)
def _product(a, b):
    return PRODUCTS.get((a.ndim, b.ndim)) if duals_in(a, b) and _both_arrays(a, b) else None


def _both_arrays(*kinds):
    return all(isinstance(kind, types.Array) for kind in kinds)


# --- in place --------------------------------------------------------------------------------------------------------

NO_ROOM = "what depends on x must be added in place to an array of the numbers of x"


def _added(a, b):
    a[:] = a + b
    return a


def _subtracted(a, b):
    a[:] = a - b
    return a


def _multiplied(a, b):
    a[:] = a * b
    return a


def _divided(a, b):
    a[:] = a / b
    return a


def _changing(change):
    def choose(a, b):
        if isinstance(a, types.Array) and not duals_in(a) and (duals_in(b) or isinstance(b, Dual)):
            raise TypeError(f"{NO_ROOM}, got {a}: make that array with np.zeros(n, x.dtype)")  # Numba falls over it
        return change if duals_in(a) else None

    return choose


IN_PLACE = {
    operator.iadd: _added,
    operator.isub: _subtracted,
    operator.imul: _multiplied,
    operator.itruediv: _divided,
}
for _operator, _change in IN_PLACE.items():
    for_duals(_operator)(_changing(_change))
