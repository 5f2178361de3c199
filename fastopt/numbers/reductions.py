"""Arrays of our numbers made into one, or of several: sums, extremes, products, choices."""

import inspect
import operator

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from .arrays import element_of, is_ours
from .element import Element, common
from .teach import OnCPU

# --- sums ------------------------------------------------------------------------------------------------------------


class Reduction(OnCPU):
    """Of all elements of an array to one. ``axis=0`` is the only axis of a vector."""

    def generic(self, args, kws):
        if not args or not isinstance(args[0], types.Array) or not isinstance(args[0].dtype, Element):
            return None
        return _reduced(args[0], args[1:], kws, args[0])


class Norm(Reduction):
    """The root of the sum of squares alone: what follows the array here is no axis, but another norm."""

    def generic(self, args, kws):
        return super().generic(args, kws) if len(args) == 1 and not kws else None


def _reduced(array, args, kws, *first, **more):
    axes = [*args, *kws.values()]
    if len(axes) > 1 or any(name != "axis" for name in kws) or (axes and array.ndim > 1):
        return None
    call = signature(array.dtype, *first, *axes, **more)
    takes = (lambda a, axis: None) if first else (lambda axis: None)
    return call.replace(pysig=inspect.signature(takes)) if kws else call  # by name


def total(array):
    result = 0.0
    for i in np.ndindex(array.shape):
        result += array[i]
    return result


def product(array):
    result = 1.0
    for i in np.ndindex(array.shape):
        result *= array[i]
    return result


def mean(array):
    return np.sum(array) / array.size


def largest(array):
    result = -np.inf
    for i in np.ndindex(array.shape):
        result = np.maximum(result, array[i])
    return result


def smallest(array):
    result = np.inf
    for i in np.ndindex(array.shape):
        result = np.minimum(result, array[i])
    return result


def norm(array):
    result = 0.0
    for i in np.ndindex(array.shape):
        result += array[i] * array[i]
    return np.sqrt(result)


OF_BYTES = "view", "itemsize", "nbytes"  # which Numba would answer, and of which each answer would be wrong
REDUCTIONS = {"sum": total, "prod": product, "mean": mean, "max": largest, "min": smallest}


def _reduction(function, name, text, template=Reduction):
    def lower(context, builder, sig, args):
        return context.compile_internal(builder, text, sig.return_type(sig.args[0]), args[:1])

    infer_global(function)(template)
    for key in (function, f"fastopt.array.{name}"):
        lower_builtin(key, types.Array)(lower)
        lower_builtin(key, types.Array, types.Any)(lower)


for name, text in REDUCTIONS.items():
    _reduction(getattr(np, name), name, text)
_reduction(np.linalg.norm, "norm", norm, Norm)


@infer_getattr
class Methods(AttributeTemplate):
    """``x.sum()`` and the like."""

    key, metadata = types.Array, OnCPU.metadata

    def generic_resolve(self, array, name):
        if name in OF_BYTES and is_ours(array.dtype):
            raise TypingError(f"Numba has {name} for plain numbers alone: what stands for them here has other bytes")
        if name not in REDUCTIONS or not isinstance(array.dtype, Element):
            return None

        class Method(OnCPU):
            key = f"fastopt.array.{name}"

            def generic(self, args, kws):
                return _reduced(self.this, args, kws, recvr=self.this)

        return types.BoundFunction(Method, array)


# --- products --------------------------------------------------------------------------------------------------------


class Product(OnCPU):
    """Of vectors and matrices, one of them of our numbers."""

    def generic(self, args, kws):
        if kws or len(args) != 2 or not all(isinstance(arg, types.Array) and 1 <= arg.ndim <= 2 for arg in args):
            return None
        kind, ndim = common([arg.dtype for arg in args]), sum(arg.ndim for arg in args) - 2
        if kind is None:
            return None
        return signature(types.Array(kind, ndim, "C") if ndim else kind, *args)


class VectorProduct(Product):
    """``np.vdot`` of matrices would be that of all their elements."""

    def generic(self, args, kws):
        call = super().generic(args, kws)
        return None if call and isinstance(call.return_type, types.Array) else call


def vector_vector(x, y, dtype):
    if x.size != y.size:
        raise ValueError("incompatible array sizes for a product")
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


def matrix_vector(a, x, dtype):
    product = np.empty(a.shape[0], dtype)
    for i in range(a.shape[0]):
        product[i] = np.dot(a[i], x)
    return product


def vector_matrix(x, a, dtype):
    return np.dot(a.T, x)


def matrix_matrix(a, b, dtype):
    product = np.empty((a.shape[0], b.shape[1]), dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            product[i, j] = np.dot(a[i], b[:, j])
    return product


TEXTS = {(1, 1): vector_vector, (2, 1): matrix_vector, (1, 2): vector_matrix, (2, 2): matrix_matrix}


def _product(context, builder, sig, args):
    return with_dtype(context, builder, TEXTS[sig.args[0].ndim, sig.args[1].ndim], sig, args)


def with_dtype(context, builder, text, sig, args):
    """Compile the text for these arguments and the dtype of what it gives."""
    gives = types.DType(getattr(sig.return_type, "dtype", sig.return_type))
    return context.compile_internal(
        builder, text, sig.return_type(*sig.args, gives), [*args, context.get_dummy_value()]
    )


for key, template in {np.dot: Product, operator.matmul: Product, np.vdot: VectorProduct}.items():
    infer_global(key)(template)
    lower_builtin(key, types.Array, types.Array)(_product)


# --- choices ----------------------------------------------------------------------------------------------------------


class Where(OnCPU):
    """``np.where`` of vectors, or of vectors and numbers."""

    def generic(self, args, kws):
        vectors, kinds = [arg for arg in args if isinstance(arg, types.Array)], [element_of(arg) for arg in args]
        if kws or len(args) != 3 or not vectors or not any(map(is_ours, kinds)) or any(a.ndim != 1 for a in vectors):
            return None
        gives = self.context.resolve_function_type(np.where, kinds, {}).return_type
        return signature(types.Array(gives, 1, "C"), *args)

    def get_impl_key(self, sig):
        return np.where, "vectors"


@intrinsic
def item(typingctx, a, i):
    """``a[i]`` of an array, or the number itself."""
    if not isinstance(a, types.Array):
        return a(a, i), lambda context, builder, sig, args: args[0]
    function = typingctx.resolve_value_type(operator.getitem)
    get = function.get_call_type(typingctx, (a, i), {})
    return get, lambda context, builder, sig, args: context.get_function(function, get)(builder, args)


@intrinsic
def length(typingctx, a):
    """Of an array; -1 of a number."""

    def codegen(context, builder, sig, args):
        if not isinstance(a, types.Array):
            return context.get_constant(types.intp, -1)
        return builder.extract_value(context.make_array(a)(context, builder, args[0]).shape, 0)

    return types.intp(a), codegen


def where(condition, x, y, dtype):
    lengths = length(condition), length(x), length(y)
    chosen = np.empty(max(lengths), dtype)
    for found in lengths:
        if found != chosen.size and found >= 0:
            raise ValueError("incompatible array sizes for np.where")
    for i in range(chosen.size):
        chosen[i] = np.where(item(condition, i), item(x, i), item(y, i))
    return chosen


@lower_builtin((np.where, "vectors"), types.Any, types.Any, types.Any)
def _where(context, builder, sig, args):
    return with_dtype(context, builder, where, sig, args)


infer_global(np.where)(Where)
