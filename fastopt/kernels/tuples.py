"""Arrays, and tuples of arrays and of numbers of any length, in compiled code."""

import operator

from llvmlite import ir
from numba import types

from .overloads import emitted_form


def address(a):
    """Of an array's first byte."""
    return a.ctypes.data


@emitted_form(address)
def _address(typingctx, a):
    def codegen(context, builder, signature, args):
        return builder.ptrtoint(context.make_array(a)(context, builder, args[0]).data, ir.IntType(64))

    return types.int64(a), codegen


# --- tuples of arrays, of any length -----------------------------------------------------------------------------


def at(arrays, i):
    """``(arrays[0][i], arrays[1][i], ...)``"""
    return tuple(a[i] for a in arrays)


@emitted_form(at)
def _at(typingctx, arrays, i):
    return each_item(typingctx, arrays, i)


def put(arrays, i, values):
    """``arrays[0][i], arrays[1][i], ... = values``"""
    for a, value in zip(arrays, values):
        a[i] = value


@emitted_form(put)
def _put(typingctx, arrays, i, values):
    settings = [typingctx.resolve_setitem(a, i, value) for a, value in zip(arrays, values)]

    def codegen(context, builder, signature, args):
        for k, setting in enumerate(settings):
            given = builder.extract_value(args[0], k), args[1], builder.extract_value(args[2], k)
            call(context, builder, operator.setitem, setting, given, (arrays[k], i, values[k]))
        return context.get_dummy_value()

    return types.void(arrays, i, values), codegen


def part(arrays, i, j):
    """``(arrays[0][i:j], arrays[1][i:j], ...)``"""
    return tuple(a[i:j] for a in arrays)


@emitted_form(part)
def _part(typingctx, arrays, i, j):
    of_items, items = each_item(typingctx, arrays, types.slice2_type)

    def codegen(context, builder, signature, args):
        return items(context, builder, of_items, (args[0], piece(context, builder, args[1], args[2])))

    return of_items.return_type(arrays, types.intp, types.intp), codegen


# --- what is emitted -------------------------------------------------------------------------------------------------


def each_item(typingctx, arrays, index):
    """``a[index]`` of each array of a tuple, as an intrinsic: its signature, and what emits it."""
    gettings = [typingctx.resolve_function_type(operator.getitem, (a, index), {}) for a in arrays]

    def codegen(context, builder, signature, args):
        found = [
            call(context, builder, operator.getitem, getting, (builder.extract_value(args[0], k), args[1]), (a, index))
            for k, (a, getting) in enumerate(zip(arrays, gettings))
        ]
        return context.make_tuple(builder, signature.return_type, found)

    return types.Tuple([getting.return_type for getting in gettings])(arrays, index), codegen


def call(context, builder, function, signature, values, kinds):
    """A function that Numba knows, on values of these types, which are cast to what it takes."""
    cast = [context.cast(builder, *given) for given in zip(values, kinds, signature.args)]
    return context.get_function(function, signature)(builder, cast)


def piece(context, builder, start, stop):
    """``slice(start, stop)``"""
    made = context.make_helper(builder, types.slice2_type)
    made.start, made.stop, made.step = start, stop, context.get_constant(types.intp, 1)
    return made._getvalue()


# --- casts ---------------------------------------------------------------------------------------------------------


def cast_like(numbers, array):
    """The tuple of numbers in the dtype of the array."""
    return tuple(array.dtype.type(x) for x in numbers)


@emitted_form(cast_like)
def _cast_like(typingctx, numbers, array):
    to = types.UniTuple(array.dtype, len(numbers))

    def codegen(context, builder, signature, args):
        cast = [
            context.cast(builder, builder.extract_value(args[0], i), kind, array.dtype)
            for i, kind in enumerate(signature.args[0])
        ]
        return context.make_tuple(builder, to, cast)

    return to(numbers, array), codegen
