"""Arrays of our numbers: what NumPy does with arrays element by element, for any element type of this room.

Numba's own arrays hold them, so indexing, slices, iteration, ``len``, ``np.empty_like`` and the like are Numba's. What
is here are expressions of whole arrays, which Numba fuses into one loop once their types are known.
"""

import operator

import numpy as np
from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from . import boxes  # noqa: F401
from .element import Element
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
        if isinstance(gives, Element) and all(isinstance(each, (Mask, types.Boolean)) for each in elements):
            return None  # NumPy adds truths in arrays by "or", and numbers of them as numbers
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
