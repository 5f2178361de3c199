"""Tuples of arrays and of numbers, of any length, in compiled code."""

from numba import types
from numba.extending import intrinsic

from .overloads import compiled_form

# --- tuples of arrays, of any length -----------------------------------------------------------------------------


def at(arrays, i):
    """``(arrays[0][i], arrays[1][i], ...)``"""
    return tuple(a[i] for a in arrays)


@compiled_form(at)
def _at(arrays, i):
    if not len(arrays):
        return lambda arrays, i: ()
    return lambda arrays, i: (arrays[0][i], *at(arrays[1:], i))


def put(arrays, i, values):
    """``arrays[0][i], arrays[1][i], ... = values``"""
    for a, value in zip(arrays, values):
        a[i] = value


@compiled_form(put)
def _put(arrays, i, values):
    if not len(arrays):
        return lambda arrays, i, values: None

    def first_and_rest(arrays, i, values):
        arrays[0][i] = values[0]
        put(arrays[1:], i, values[1:])

    return first_and_rest


def part(arrays, i, j):
    """``(arrays[0][i:j], arrays[1][i:j], ...)``"""
    return tuple(a[i:j] for a in arrays)


@compiled_form(part)
def _part(arrays, i, j):
    if not len(arrays):
        return lambda arrays, i, j: ()
    return lambda arrays, i, j: (arrays[0][i:j], *part(arrays[1:], i, j))


# --- casts ---------------------------------------------------------------------------------------------------------


def cast_like(numbers, array):
    """The tuple of numbers in the dtype of the array."""
    return tuple(array.dtype.type(x) for x in numbers)


@compiled_form(cast_like)
def _cast_like(numbers, array):
    return lambda numbers, array: _cast(numbers, array)


@intrinsic
def _cast(typingctx, numbers, array):
    to = types.UniTuple(array.dtype, len(numbers))

    def codegen(context, builder, signature, args):
        cast = [
            context.cast(builder, builder.extract_value(args[0], i), kind, array.dtype)
            for i, kind in enumerate(signature.args[0])
        ]
        return context.make_tuple(builder, to, cast)

    return to(numbers, array), codegen
