"""When a parallel kernel may be launched, and on how many threads."""

import os
import threading

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.ufunc import parallel

from .overloads import compiled_form

# One parallel launch at a time: a second thread would abort the process under the workqueue layer, and only compete
# under the others. And none in a child of a fork, whose inherited OpenMP runtime would kill it.
_launching = False
_forked = False


def _after_fork():
    global _forked, _launching
    _forked, _launching = True, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forked() -> bool:
    """Whether this process was forked off another."""
    return _forked


def _count() -> int:
    """How many threads Numba uses; it starts them where they are not.

    Numba itself takes a lock each time. An interrupt can make a thread forget that it holds that, and a process that is
    forked off and killed: then others wait for ever. (Private names: without them as Numba does it.)
    """
    known = getattr(parallel, "_get_num_threads", None) if getattr(parallel, "_is_initialized", False) else None
    return numba.get_num_threads() if known is None else known()


def _set_count(count):
    """Of threads that were started."""
    getattr(parallel, "_set_num_threads", numba.set_num_threads)(count)


def _may_launch(nested):
    """Under the workqueue layer only in the one thread there is: a second launch, the user's own too, ends the process.

    ``nested``, asked there only, says whether what is launched may launch threads itself.
    """
    _count()  # starts the layer
    return numba.threading_layer() != "workqueue" or (threading.active_count() == 1 and not nested())


def in_threads(many, alone, threads=None, nested=lambda: False):
    """``many(chunks)``, a chunk for each thread to use, or ``alone()`` where threads may not be started.

    The kernels in ``many`` use as many threads as Numba does, unless they ask for fewer with ``limit_threads``.
    """
    global _launching
    if _forked or not _may_launch(nested):
        return alone()
    chunks = _count()
    if threads is not None:
        chunks = min(threads, chunks)
    # No lock, whose holder an interrupt could make forget that it holds it. CPython changes threads and looks for
    # signals after calls and where it jumps back: not from this test to the ``try``, nor before ``finally`` assigns.
    if _launching:
        return alone()
    _launching = True
    try:
        return many(chunks)
    finally:
        _launching = False


def limit_threads(most):
    """Use at most so many threads from here on, in compiled code; returns the number to restore."""
    before = _count()
    _set_count(min(most, before))
    return before


def restore_threads(before):
    _set_count(before)


@compiled_form(limit_threads)
def _limit_threads(most):
    _count()  # starts the threads, with which come the functions that are called here

    def impl(most):
        before = _get()
        _set(min(most, before))
        return before

    return impl


@compiled_form(restore_threads)
def _restore_threads(before):
    return lambda before: _set(before)


@intrinsic
def _get(typingctx):  # Numba's own for compiled code raise, and what they test is of the process that compiled
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "get_num_threads"), [])

    return types.int64(), codegen


@intrinsic
def _set(typingctx, count):
    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
        function = cgutils.get_or_insert_function(builder.module, kind, "set_num_threads")
        builder.call(function, [builder.trunc(args[0], ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
