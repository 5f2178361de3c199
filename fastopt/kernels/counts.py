"""What an optimiser counts, in memory that its kernels write: no interrupt can come between a step and its count.

CPython looks for signals after a call, so what a call returns can be lost, and a count that Python wrote after it.
"""

import ctypes
import os
import weakref

import numpy as np
from llvmlite import ir
from numba import types

from .overloads import emitted_form

# Steps applied and skipped, whether Python holds the optimiser, whether a kernel steps it alone, and how many kernel
# calls are left of the step that is under way.
T, SKIPPED, HELD, ALONE, LEFT = range(5)

ONE_AT_A_TIME = "an optimiser must be stepped by one thread at a time, got a step while another is under way"


class Counts:
    """The memory of one optimiser's counts.

    Attributes
    ----------
    cells : memoryview
        To read and to assign, which are no calls to CPython: it looks for no signal in ``cells[T] = t``.
    address : int
        What kernels are given.
    """

    __slots__ = ("__weakref__", "address", "cells")

    def __init__(self):
        memory = np.zeros(5, np.int64)
        self.cells, self.address = memoryview(memory), memory.ctypes.data
        _living.add(self)


_living: weakref.WeakSet = weakref.WeakSet()


def _after_fork():
    """What another thread was stepping nobody steps in the child."""
    for counts in list(_living):
        counts.cells[HELD] = counts.cells[ALONE] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# --- in kernels ------------------------------------------------------------------------------------------------------


def load(address, cell):
    return _cell(address, cell).value


def store(address, cell, value):
    _cell(address, cell).value = value


def claim(address, cell):
    """Make a cell that is 0 a 1; whether it was 0. Interpreted code may be interrupted, so it claims nothing."""
    return load(address, cell) == 0


def _cell(address, cell):
    return ctypes.c_int64.from_address(address + 8 * cell)


def _pointer(builder, address, cell):
    place = builder.add(address, builder.mul(cell, ir.Constant(ir.IntType(64), 8)))
    return builder.inttoptr(place, ir.IntType(64).as_pointer())


@emitted_form(load)
def _load(typingctx, address, cell):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(_pointer(builder, *args), "seq_cst", 8)

    return types.int64(types.int64, types.int64), codegen


@emitted_form(store)
def _store(typingctx, address, cell, value):
    def codegen(context, builder, signature, args):
        builder.store_atomic(args[2], _pointer(builder, *args[:2]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@emitted_form(claim)
def _claim(typingctx, address, cell):
    def codegen(context, builder, signature, args):
        zero, one = (ir.Constant(ir.IntType(64), n) for n in (0, 1))
        found = builder.cmpxchg(_pointer(builder, *args), zero, one, "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64), codegen
