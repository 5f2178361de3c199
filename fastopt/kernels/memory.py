"""Memory at an address, read and written by compiled code. The caller sees to it that it is there, and what it holds."""

import ctypes
from functools import cache

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .overloads import emitted_form

FLOATS = {4: ctypes.c_float, 8: ctypes.c_double}


@intrinsic
def load64(typingctx, address):
    return types.int64(types.int64), lambda context, builder, signature, args: _load(builder, args[0], 64)


@intrinsic
def load32(typingctx, address):
    def codegen(context, builder, signature, args):
        return builder.zext(_load(builder, args[0], 32), ir.IntType(64))

    return types.int64(types.int64), codegen


def _load(builder, address, bits):
    return builder.load(builder.inttoptr(address, ir.IntType(bits).as_pointer()))


@intrinsic
def copy(typingctx, to, source, nbytes):
    def codegen(context, builder, signature, args):
        pointer = ir.IntType(8).as_pointer()
        to, source = (builder.inttoptr(a, pointer) for a in args[:2])
        cgutils.raw_memcpy(builder, to, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def asked(typingctx, function, handle):
    """What a C function writes to where its second argument points, as an int64; -1 where it returns an error."""

    def codegen(context, builder, signature, args):
        word = ir.IntType(64)
        out = cgutils.alloca_once_value(builder, word(0))
        kind = ir.FunctionType(ir.IntType(32), [word, word.as_pointer()])
        builder.store(word(0), out)
        failed = builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], out])
        return builder.select(builder.icmp_signed("==", failed, failed.type(0)), builder.load(out), word(-1))

    return types.int64(types.int64, types.int64), codegen


# --- floats of 4 or 8 bytes --------------------------------------------------------------------------------------


def load_float(address, nbytes):
    """The float of so many bytes."""
    return FLOATS[nbytes].from_address(int(address)).value


def store_float(address, nbytes, value):
    FLOATS[nbytes].from_address(int(address)).value = value


@emitted_form(load_float)
def _load_float(typingctx, address, nbytes):
    def codegen(context, builder, signature, args):
        float32, float64 = _float_pointers(builder, args[0])
        with builder.if_else(_is_narrow(builder, args[1])) as (narrow, wide):
            with narrow:
                first, where_first = builder.fpext(builder.load(float32), ir.DoubleType()), builder.block
            with wide:
                second, where_second = builder.load(float64), builder.block
        found = builder.phi(ir.DoubleType())
        found.add_incoming(first, where_first)
        found.add_incoming(second, where_second)
        return found

    return types.float64(types.int64, types.int64), codegen


@emitted_form(store_float)
def _store_float(typingctx, address, nbytes, value):
    def codegen(context, builder, signature, args):
        float32, float64 = _float_pointers(builder, args[0])
        with builder.if_else(_is_narrow(builder, args[1])) as (narrow, wide):
            with narrow:
                builder.store(builder.fptrunc(args[2], ir.FloatType()), float32)
            with wide:
                builder.store(args[2], float64)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), codegen


def _float_pointers(builder, address):
    return (builder.inttoptr(address, kind.as_pointer()) for kind in (ir.FloatType(), ir.DoubleType()))


def _is_narrow(builder, nbytes):
    return builder.icmp_signed("==", nbytes, nbytes.type(4))


# --- arrays --------------------------------------------------------------------------------------------------------


@cache
def arrays_of(dtype, count):
    """``arrays(row, start, stop)``: elements start to stop of so many flat arrays, whose addresses a row begins with."""
    kind, itemsize = types.Array(numba.from_dtype(dtype), 1, "C"), dtype.itemsize

    def arrays(row, start, stop):
        memories = [(ctypes.c_uint8 * ((stop - start) * itemsize)) for _ in range(count)]
        found = [memory.from_address(int(at + start * itemsize)) for memory, at in zip(memories, row)]
        return tuple(np.frombuffer(memory, dtype) for memory in found)

    @emitted_form(arrays)
    def _arrays(typingctx, row, start, stop):
        def codegen(context, builder, signature, args):
            addresses = context.make_array(row)(context, builder, args[0]).data
            size, found = builder.sub(args[2], args[1]), []
            for k in range(count):
                address = builder.load(builder.gep(addresses, [ir.IntType(64)(k)]))
                found.append(_array(context, builder, kind, builder.add(address, _times(builder, args[1])), size))
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(kind, count)(row, types.int64, types.int64), codegen

    def _times(builder, index):
        return builder.mul(index, index.type(itemsize))

    return arrays


def _array(context, builder, kind, address, size):
    from numba.np.arrayobj import populate_array  # here, where Numba has imported it: alone it takes long

    array, itemsize = context.make_array(kind)(context, builder), context.get_constant(types.intp, _bytes(kind))
    data = builder.inttoptr(address, array.data.type)
    populate_array(array, data=data, shape=[size], strides=[itemsize], itemsize=itemsize, meminfo=None)
    return array._getvalue()


def _bytes(kind):
    return kind.dtype.bitwidth // 8
