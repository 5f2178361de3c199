"""Memory at an address, read and written by compiled code; the caller sees to it that it is there."""

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


def load64(address):
    return ctypes.c_int64.from_address(address).value


def store64(address, value):
    ctypes.c_int64.from_address(address).value = value


@emitted_form(load64)
def _load64(typingctx, address):
    return types.int64(types.int64), lambda context, builder, signature, args: _load(builder, args[0], 64)


@emitted_form(store64)
def _store64(typingctx, address, value):
    def codegen(context, builder, signature, args):
        builder.store(args[1], builder.inttoptr(args[0], ir.IntType(64).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


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


@cache
def floats_of(count):
    """``floats(address)``: so many numbers of float64 that begin there."""

    def floats(address):
        return tuple(load_float(address + 8 * k, 8) for k in range(count))

    @emitted_form(floats)
    def _floats(typingctx, address):
        def codegen(context, builder, signature, args):
            pointer = builder.inttoptr(args[0], ir.DoubleType().as_pointer())
            found = [builder.load(builder.gep(pointer, [ir.IntType(32)(k)])) for k in range(count)]
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(types.float64, count)(types.int64), codegen

    return floats


# --- arrays --------------------------------------------------------------------------------------------------------


@cache
def arrays_of(dtype, count):
    """``arrays(row, start, stop)``: elements start to stop of so many flat arrays, whose addresses begin at ``row``."""
    kind, itemsize = types.Array(numba.from_dtype(dtype), 1, "C"), dtype.itemsize

    def arrays(row, start, stop):
        addresses = [load64(row + 8 * k) + start * itemsize for k in range(count)]
        memory = ctypes.c_uint8 * ((stop - start) * itemsize)
        return tuple(np.frombuffer(memory.from_address(address), dtype) for address in addresses)

    @emitted_form(arrays)
    def _arrays(typingctx, row, start, stop):
        def codegen(context, builder, signature, args):
            size, found = builder.sub(args[2], args[1]), []
            for k in range(count):
                address = _load(builder, builder.add(args[0], args[0].type(8 * k)), 64)
                address = builder.add(address, builder.mul(args[1], args[1].type(itemsize)))
                found.append(array_at(context, builder, kind, address, [size]))
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(kind, count)(types.int64, types.int64, types.int64), codegen

    return arrays


def array_at(context, builder, kind, address, shape, strides=None):
    """An array of this type over memory that is not its own; without strides a vector."""
    from numba.np.arrayobj import populate_array  # here, where Numba has imported it: alone it takes long

    array = context.make_array(kind)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    data, strides = builder.inttoptr(address, array.data.type), [itemsize] if strides is None else strides
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()
