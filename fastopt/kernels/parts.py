"""The pieces that templates are made of and that Numba cannot compile from plain Python.

Each is a plain function, so that templates also run uncompiled (``NUMBA_DISABLE_JIT=1``, the CUDA simulator), with an
overload that says what compiled code does instead.
"""

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

OVERLOADED: set = set()


def compiled_form(function):
    """Like ``overload``, and noted: the binder must leave the function as it is."""
    OVERLOADED.add(function)
    return overload(function, jit_options={"forceinline": True})


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


# --- subnormal numbers ---------------------------------------------------------------------------------------------

# Moments that decay below the smallest normal number make a sweep 20 to 100 times slower, so it runs with
# flush-to-zero and denormals-are-zero on. The bits, and how to reach the control register that holds them:
X86, ARM = platform.machine().lower() in ("x86_64", "amd64"), platform.machine().lower() in ("aarch64", "arm64")
FLUSH_BITS = 0x8040 if X86 else 1 << 24


def control_word():
    """The control word as it is."""
    return 0


def flush_on():
    """Count subnormal numbers as zero from here on; returns the control word to restore."""
    return 0


def flush_off(control):
    """Restore the control word that ``flush_on`` returned."""


@compiled_form(control_word)
def _control_word():
    return lambda: _read_control()


@compiled_form(flush_on)
def _flush_on():
    def impl():
        old = _read_control()
        _write_control(old | FLUSH_BITS)
        return old

    return impl


@compiled_form(flush_off)
def _flush_off(control):
    return lambda control: _write_control(control)


@intrinsic
def _read_control(typingctx):
    def codegen(context, builder, signature, args):
        if X86:
            slot = cgutils.alloca_once(builder, ir.IntType(32))
            _sse(builder, "stmxcsr", slot)
            return builder.zext(builder.load(slot), ir.IntType(64))
        if ARM:
            return builder.asm(ir.FunctionType(ir.IntType(64), []), "mrs $0, fpcr", "=r", [], side_effect=True)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(), codegen


@intrinsic
def _write_control(typingctx, control):
    def codegen(context, builder, signature, args):
        if X86:
            slot = cgutils.alloca_once(builder, ir.IntType(32))
            builder.store(builder.trunc(args[0], ir.IntType(32)), slot)
            _sse(builder, "ldmxcsr", slot)
        elif ARM:
            function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
            builder.asm(function, "msr fpcr, $0", "r", [args[0]], side_effect=True)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _sse(builder, name, slot):
    pointer = ir.IntType(8).as_pointer()
    function = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(slot, pointer)])
