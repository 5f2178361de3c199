"""Duals at the ends of a function: each variable gets its own direction, and the result's partials are written out."""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np import arrayobj

from .dual import Dual, is_lanes, made, partials, spread
from .emit import call_typed
from .emitted import constant
from .lane import Lane


def _dual(x, width):
    if not isinstance(width, types.IntegerLiteral):
        raise TypingError("the number of partials must be known to the compiler")
    if not isinstance(x, types.Array) or x.ndim != 1 or not isinstance(x.dtype, (types.Float, Lane)):
        raise TypingError(f"x must be an array of shape (d,) of float32 or float64, got {x}")
    return Dual(x.dtype, width.literal_value)


@intrinsic(prefer_literal=True)
def on_stack(typingctx, x, size, width):
    """An array of duals, not written yet, whose memory is the caller's frame: of a size that is known."""
    to = types.Array(_dual(x, width), 1, "C")
    given, size = size, size.literal_value

    def codegen(context, builder, signature, args):
        data = cgutils.alloca_once(builder, context.get_data_type(to.dtype), size=size)
        array = context.make_array(to)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(to.dtype)))
        shape = (context.get_constant(types.intp, size),)
        arrayobj.populate_array(array, data=data, shape=shape, strides=(itemsize,), itemsize=itemsize, meminfo=None)
        return array._getvalue()

    return to(x, given, width), codegen


@intrinsic(prefer_literal=True)
def dtype_of(typingctx, x, width):
    """The dtype of the duals."""
    to = types.DType(_dual(x, width))
    return to(x, width), lambda context, builder, signature, args: context.get_dummy_value()


@intrinsic(prefer_literal=True)
def unit(typingctx, x, i, width):
    """The dual of value x along direction i, where that is one of those on their way."""
    to = Dual(x, width.literal_value)

    def codegen(context, builder, signature, args):
        kind = context.get_value_type(to)
        i = context.cast(builder, args[1], signature.args[1], types.int64)
        ones = [_ones(builder, i, k, each, is_lanes(args[0].type)) for k, each in enumerate(kind.elements[1:])]
        return made(builder, kind, args[0], ones)

    return to(x, i, width), codegen


def _ones(builder, i, k, kind, lanes):
    """The vector of partials that has 1 at i; where there is one for each, lanes of 1 if i is k."""
    places = ir.Constant(i.type, k)
    if not lanes:
        places = ir.Constant(ir.VectorType(i.type, kind.count), list(range(kind.count)))
    one = builder.icmp_signed("==", places, spread(builder, i, places.type))
    return builder.select(one, constant(kind, 1.0), constant(kind, 0.0))


@intrinsic(prefer_literal=True)
def units(typingctx, x, width):
    """The variables as a tuple of duals, each along its own direction."""
    dual = Dual(x.dtype, width.literal_value)
    to = types.UniTuple(dual, dual.width)

    def codegen(context, builder, signature, args):
        kind, found = context.get_value_type(dual), []
        for k in range(dual.width):
            at = context.get_constant(types.intp, k)
            number, _ = call_typed(context, builder, operator.getitem, [(x, args[0]), (types.intp, at)])
            found.append(made(builder, kind, number, _direction(kind, k)))
        return context.make_tuple(builder, to, found)

    return to(x, width), codegen


def _direction(kind, k):
    """The partials of variable k."""
    vectors = kind.elements[1:]
    if len(vectors) > 1 or is_lanes(kind.elements[0]):
        return [constant(each, 1.0 if i == k else 0.0) for i, each in enumerate(vectors)]
    return [ir.Constant(vectors[0], [1.0 if i == k else 0.0 for i in range(vectors[0].count)])]


@intrinsic(prefer_literal=True)
def as_dual(typingctx, f, x, width):
    """What the function returned; a number that depends on no variable has no slope."""
    to = _dual(x, width)
    if f != to and not to.takes(f):
        raise TypingError(f"fun must return a number, but returns {f}")
    return to(f, x, width), lambda context, builder, signature, args: context.cast(
        builder, args[0], signature.args[0], to
    )


@intrinsic
def value(typingctx, f):
    def codegen(context, builder, signature, args):
        return builder.extract_value(args[0], 0)

    return f.element(f), codegen


@intrinsic
def put_all(typingctx, f, grad):
    """Write the partials into grad, which has as many."""

    def codegen(context, builder, signature, args):
        _put(context, builder, signature.args, args, None)

    return types.void(f, _fitting(grad, f)), codegen


@intrinsic
def put(typingctx, f, grad, first):
    """Write the partials into grad from ``first`` on, as far as that goes."""

    def codegen(context, builder, signature, args):
        _put(context, builder, signature.args, args, context.cast(builder, args[2], signature.args[2], types.intp))

    return types.void(f, _fitting(grad, f), first), codegen


def _fitting(grad, f):
    if grad.dtype != f.element:
        raise TypingError(f"grad must have the dtype of x, {f.element}, got {grad}")
    return grad


def _put(context, builder, kinds, args, first):
    dual, array = kinds[:2]
    size = context.make_array(array)(context, builder, args[1]).nitems
    for k, number in enumerate(partials(builder, args[0])):
        i = context.get_constant(types.intp, k)
        if first is None:
            _set(context, builder, array, args[1], i, dual.element, number)
            continue
        i = builder.add(first, i)
        with builder.if_then(builder.icmp_signed("<", i, size)):
            _set(context, builder, array, args[1], i, dual.element, number)


def _set(context, builder, kind, array, i, element, number):
    call_typed(context, builder, operator.setitem, [(kind, array), (types.intp, i), (element, number)])
