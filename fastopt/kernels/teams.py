"""Teams of another library's threads, by the interface of GNU's OpenMP, which others speak as well.

PyTorch's threads spin for a while after their work, and others would wait for their cores; so its tensors are stepped
by its own.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def number_of(typingctx, function):
    """What a C function returns that takes nothing: a thread's number, or how many there are."""

    def codegen(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], ir.FunctionType(ir.IntType(32), []).as_pointer())
        return builder.zext(builder.call(pointer, []), ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic
def begin(typingctx, start, share, work, threads):
    """Call a function in so many threads, each with the address of the work, and wait for all: ``GOMP_parallel``."""

    def codegen(context, builder, signature, args):
        word, short = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [word, word, short, short])
        flags, threads = short(0), builder.trunc(args[3], short)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], args[2], threads, flags])
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 4), codegen
