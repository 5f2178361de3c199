"""Subnormal numbers, counted as zero in compiled loops; and the control word restored, whatever ends a loop.

Moments that decay below the smallest normal number make a sweep 20 to 100 times slower, so it runs with flush-to-zero
and denormals-are-zero on.
"""

import platform
from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .bind import compiled
from .overloads import emitted_form


class restored_control:
    """Puts the control word back if compiled code was left by an exception."""

    def __init__(self, active):
        self.active = active

    def __enter__(self):
        if self.active:
            self.word = _control_functions()[0]()

    def __exit__(self, kind, error, trace):
        if kind is not None and self.active:
            _control_functions()[1](self.word)


@cache
def _control_functions():
    read = compiled(_read, "control_word", types.int64())
    return read, compiled(_write, "restore_control_word", types.void(types.int64))


def _read():
    return control_word()


def _write(word):
    flush_off(word)


# The bits, and how to reach the control register that holds them:
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


@emitted_form(control_word)
def _control_word(typingctx):
    return types.int64(), lambda context, builder, signature, args: _read_control(builder)


@emitted_form(flush_on)
def _flush_on(typingctx):
    def codegen(context, builder, signature, args):
        old = _read_control(builder)
        _write_control(builder, builder.or_(old, ir.Constant(old.type, FLUSH_BITS)))
        return old

    return types.int64(), codegen


@emitted_form(flush_off)
def _flush_off(typingctx, control):
    def codegen(context, builder, signature, args):
        _write_control(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _read_control(builder):
    if X86:
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        _sse(builder, "stmxcsr", slot)
        return builder.zext(builder.load(slot), ir.IntType(64))
    if ARM:
        return builder.asm(ir.FunctionType(ir.IntType(64), []), "mrs $0, fpcr", "=r", [], side_effect=True)
    return ir.Constant(ir.IntType(64), 0)


def _write_control(builder, control):
    if X86:
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.trunc(control, ir.IntType(32)), slot)
        _sse(builder, "ldmxcsr", slot)
    elif ARM:
        function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.asm(function, "msr fpcr, $0", "r", [control], side_effect=True)


def _sse(builder, name, slot):
    pointer = ir.IntType(8).as_pointer()
    function = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(slot, pointer)])
