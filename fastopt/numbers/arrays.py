"""Arrays of our numbers: what NumPy does with arrays, for any element type of this room.

Numba's own arrays hold them, so indexing, slices, iteration, ``len``, ``np.empty_like`` and the like are Numba's. What
is here are expressions of whole arrays, which Numba fuses into one loop once their types are known, and products.
"""

import inspect
import operator

import numpy as np
from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from .element import Element, common
from .lane import Mask
from .teach import OnCPU

OPERATORS = (
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
    *(operator.and_, operator.or_, operator.xor, operator.invert, operator.neg, operator.pos),
)
IN_PLACE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ipow: operator.pow,
}
UFUNCS = tuple({ufunc for ufunc in vars(np).values() if isinstance(ufunc, np.ufunc) and ufunc.nout == 1})
PRODUCTS = (np.dot, np.vdot, operator.matmul)


def is_ours(kind):
    return isinstance(kind, (Element, Mask))


def element_of(kind):
    """The type of an array's elements, or that of a number."""
    return kind.dtype if isinstance(kind, types.Array) else types.unliteral(kind)


class Elementwise(OnCPU):
    """An operator or a function of arrays gives an array of what it gives of their elements."""

    def generic(self, args, kws):
        arrays, elements = [arg for arg in args if isinstance(arg, types.Array)], [element_of(arg) for arg in args]
        if kws or not arrays or not any(map(is_ours, elements)):
            return None
        gives = self.context.resolve_function_type(self.key, elements, {}).return_type
        return signature(types.Array(gives, max(array.ndim for array in arrays), "C"), *args)


for key in OPERATORS + UFUNCS:
    infer_global(key)(Elementwise)


# --- in place --------------------------------------------------------------------------------------------------------


NO_ROOM = "what depends on x must be added in place to an array of the numbers of x"


class InPlace(OnCPU):
    def generic(self, args, kws):
        if not isinstance(args[0], types.Array):
            return None
        if is_ours(args[0].dtype):
            return signature(args[0], *args)
        if is_ours(element_of(args[1])):  # of which Numba's own makes an AttributeError
            raise TypeError(f"{NO_ROOM}, got {args[0]}: make that array with np.zeros(n, x.dtype)")
        return None

    def get_impl_key(self, sig):
        return IN_PLACE[self.key], "in place"  # Numba's own would be found under the operator itself


def _in_place(key, plain):
    def of_number(array, number):
        for i in np.ndindex(array.shape):
            array[i] = plain(array[i], number)

    def of_array(array, other):
        for i in np.ndindex(array.shape):
            array[i] = plain(array[i], other[i])

    def lower(context, builder, sig, args):
        text = of_array if isinstance(sig.args[1], types.Array) else of_number
        context.compile_internal(builder, text, types.none(*sig.args), args)
        return impl_ret_borrowed(context, builder, sig.return_type, args[0])

    infer_global(key)(InPlace)
    lower_builtin((plain, "in place"), types.Array, types.Any)(lower)


for key, plain in IN_PLACE.items():
    _in_place(key, plain)


class SetSlice(OnCPU):
    """``x[i:j] = y``, of which Numba's own takes seconds to compile."""

    key = operator.setitem

    def generic(self, args, kws):
        array, index, values = args
        is_one = isinstance(array, types.Array) and array.ndim == 1 and is_ours(array.dtype)
        if not is_one or not isinstance(index, types.SliceType) or not isinstance(values, types.Array):
            return None
        return signature(types.none, *args) if values.ndim == 1 else None

    def get_impl_key(self, sig):
        return self.key, "slice"


infer_global(operator.setitem)(SetSlice)


def set_slice(array, index, values):
    part, values = array[index], values.copy()  # they may overlap
    if part.size != values.size:
        raise ValueError("cannot assign slice from input of different size")
    for i in range(part.size):
        part[i] = values[i]


@lower_builtin((operator.setitem, "slice"), types.Array, types.SliceType, types.Array)
def _set_slice(context, builder, sig, args):
    return context.compile_internal(builder, set_slice, sig, args)


# --- sums ------------------------------------------------------------------------------------------------------------


class Reduction(OnCPU):
    """Of all elements of an array to one. ``axis=0`` is the only axis of a vector."""

    def generic(self, args, kws):
        if not args or not isinstance(args[0], types.Array) or not isinstance(args[0].dtype, Element):
            return None
        return _reduced(args[0], args[1:], kws, args[0])


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


REDUCTIONS = {"sum": total, "prod": product, "mean": mean}


def _reduction(name, text):
    def lower(context, builder, sig, args):
        return context.compile_internal(builder, text, sig.return_type(sig.args[0]), args[:1])

    infer_global(getattr(np, name))(Reduction)
    for key in (getattr(np, name), f"fastopt.array.{name}"):
        lower_builtin(key, types.Array)(lower)
        lower_builtin(key, types.Array, types.Any)(lower)


for name, text in REDUCTIONS.items():
    _reduction(name, text)


@infer_getattr
class Methods(AttributeTemplate):
    """``x.sum()`` and the like."""

    key, metadata = types.Array, OnCPU.metadata

    def generic_resolve(self, array, name):
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


@intrinsic
def element(typingctx, a, b):
    """The dtype of products of their elements."""

    def codegen(context, builder, sig, args):
        return context.get_dummy_value()

    return types.DType(common([a.dtype, b.dtype]))(a, b), codegen


def vector_vector(x, y):
    if x.size != y.size:
        raise ValueError("incompatible array sizes for a product")
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


def matrix_vector(a, x):
    product = np.empty(a.shape[0], element(a, x))
    for i in range(a.shape[0]):
        product[i] = np.dot(a[i], x)
    return product


def vector_matrix(x, a):
    return np.dot(a.T, x)


def matrix_matrix(a, b):
    product = np.empty((a.shape[0], b.shape[1]), element(a, b))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            product[i, j] = np.dot(a[i], b[:, j])
    return product


TEXTS = {(1, 1): vector_vector, (2, 1): matrix_vector, (1, 2): vector_matrix, (2, 2): matrix_matrix}


def _product(context, builder, sig, args):
    text = TEXTS[sig.args[0].ndim, sig.args[1].ndim]
    return context.compile_internal(builder, text, sig, args)


for key in PRODUCTS:
    infer_global(key)(Product)
    lower_builtin(key, types.Array, types.Array)(_product)
