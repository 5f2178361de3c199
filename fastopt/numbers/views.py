"""Memory of floats seen as an array of lanes, and the reverse. Who imports this has taught Numba all of lanes."""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import arrays, functions, libm, operators, powers, reductions  # noqa: F401
from .lane import Lane


@intrinsic(prefer_literal=True)
def as_lanes(typingctx, array, count):
    """A C-contiguous float array of shape (..., count) as an array of lanes, of shape (...), over the same memory.

    ``count`` is a constant of the code. Not tested: that the last dimension is as long as that.
    """
    if not isinstance(count, types.IntegerLiteral):
        return None
    lanes = array.copy(dtype=Lane(array.dtype, count.literal_value), ndim=array.ndim - 1)
    return lanes(array, count), lambda *call: _seen_as(lanes, *call)


@intrinsic
def of_lanes(typingctx, array):
    """An array of lanes as the floats that it holds, over the same memory, with the lanes as the last dimension."""
    if not isinstance(array.dtype, Lane):
        return None
    floats = array.copy(dtype=array.dtype.dtype, ndim=array.ndim + 1)
    return floats(array), lambda *call: _seen_as(floats, *call)


def _seen_as(kind, context, builder, sig, args):
    was = sig.args[0]
    array = context.make_array(was)(context, builder, args[0])
    seen = context.make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape, strides = cgutils.unpack_tuple(builder, array.shape), cgutils.unpack_tuple(builder, array.strides)
    if kind.ndim > was.ndim:
        shape, strides = [*shape, context.get_constant(types.intp, was.dtype.count)], [*strides, None]
    shape, strides = shape[: kind.ndim], strides[: kind.ndim]
    itemsize = context.get_constant(types.intp, size)
    strides = [itemsize if stride is None else stride for stride in strides]
    nitems = context.get_constant(types.intp, 1)
    for length in shape:
        nitems = builder.mul(nitems, length)
    seen.data = builder.bitcast(array.data, context.get_data_type(kind.dtype).as_pointer())
    seen.shape, seen.strides = cgutils.pack_array(builder, shape), cgutils.pack_array(builder, strides)
    seen.meminfo, seen.parent = array.meminfo, array.parent
    seen.itemsize, seen.nitems = itemsize, nitems
    result = seen._getvalue()
    if context.enable_nrt:
        context.nrt.incref(builder, kind, result)
    return result


@intrinsic(prefer_literal=True)
def lane(typingctx, lanes, i):
    """The number in one lane."""
    element = lanes.dtype

    def codegen(context, builder, sig, args):
        at = context.cast(builder, args[1], sig.args[1], types.int32)
        return builder.extract_element(args[0], at)

    return element(lanes, i), codegen
