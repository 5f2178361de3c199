"""Arrays and numbers as words in memory: compiled code that knows their types takes them from an address.

So one signature, of addresses alone, serves whatever they are: what calls by it need not be compiled for each.
An array is the address of its items, its shape and its strides in bytes; a number is its bytes, in whole words.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from .memory import array_at

WORD = 8  # bytes


class Item(NamedTuple):
    """A number that is described as arrays are: by where it is."""

    kind: Any


def words_of(kind) -> int:
    """How many words something of this Numba type takes."""
    if isinstance(kind, Item):
        return 1
    return 1 + 2 * kind.ndim if isinstance(kind, types.Array) else math.ceil(as_dtype(kind).itemsize / WORD)


def described(values, kinds):
    """The words, as an array of int64; whoever hands on its address keeps the values alive."""
    return np.fromiter((w for value, kind in zip(values, kinds) for w in _words(value, kind)), np.int64)


def _words(value, kind):
    if isinstance(kind, types.Array):
        return value.ctypes.data, *value.shape, *value.strides
    whole = np.zeros(words_of(kind), np.int64)
    raw = np.asarray(value, as_dtype(kind)).tobytes()
    whole.view(np.uint8)[: len(raw)] = np.frombuffer(raw, np.uint8)
    return tuple(whole.tolist())


def reader(*kinds):
    """``read(address, base)``: the tuple that is described at an address, in compiled code.

    ``base`` is added to where arrays are. The arrays are borrowed: no references are counted.
    """

    @intrinsic
    def read(typingctx, address, base):
        def codegen(context, builder, signature, args):
            word, at, found = context.get_value_type(types.int64), 0, []

            def load(n):
                place = builder.add(args[0], word(WORD * n))
                return builder.load(builder.inttoptr(place, word.as_pointer()))

            for kind in kinds:
                if isinstance(kind, types.Array):
                    found.append(_array(context, builder, kind, load, at, args[1]))
                elif isinstance(kind, Item):
                    found.append(_number(context, builder, kind.kind, builder.add(load(at), args[1])))
                else:
                    found.append(_number(context, builder, kind, builder.add(args[0], word(WORD * at))))
                at += words_of(kind)
            return context.make_tuple(builder, signature.return_type, found)

        return types.Tuple([getattr(kind, "kind", kind) for kind in kinds])(types.int64, types.int64), codegen

    return read


def _array(context, builder, kind, load, at, base):
    shape = [load(at + 1 + i) for i in range(kind.ndim)]
    strides = [load(at + 1 + kind.ndim + i) for i in range(kind.ndim)]
    return array_at(context, builder, kind, builder.add(load(at), base), shape, strides)


def _number(context, builder, kind, place):
    return context.unpack_value(builder, kind, builder.inttoptr(place, context.get_data_type(kind).as_pointer()))


def vectors(kind):
    """``vector(address, size)``: the vector of this type at an address, borrowed too."""

    @intrinsic
    def vector(typingctx, address, size):
        def codegen(context, builder, signature, args):
            return array_at(context, builder, kind, args[0], [args[1]])

        return kind(types.int64, types.int64), codegen

    return vector


def stores(count):
    """``store(address, number)``: write a number to an address as ``count`` of float64, those of its lanes if it has
    some."""

    @intrinsic
    def store(typingctx, address, number):
        lanes = not isinstance(number, (types.Number, types.Boolean))

        def codegen(context, builder, signature, args):
            to = context.get_value_type(types.float64)
            pointer = builder.inttoptr(args[0], to.as_pointer())
            for lane in map(ir.IntType(32), range(count)):
                one = builder.extract_element(args[1], lane) if lanes else args[1]
                one = context.cast(builder, one, number.dtype if lanes else number, types.float64)
                builder.store(one, builder.gep(pointer, [lane]))
            return context.get_dummy_value()

        return types.void(types.int64, number), codegen

    return store
