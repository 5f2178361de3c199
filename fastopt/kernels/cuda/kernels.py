"""The kernels of the CUDA target: the loops, bound to rules and compiled for their arguments."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from ...linking import both, each, join, link, link_read, none
from ..bind import first_reason
from ..modifiers import plain_name, staged
from ..narrow import check
from . import gpu
from .bind import bound
from .loops import memory, norms, step, tuples

MOST_BLOCKS = 1 << 16  # of a grid; beyond, a block takes several tiles
PARTIALS = 1024  # blocks of the first pass of a norm, at most: a function of the size alone, so that sums are too
ADDRESSES = 64  # that one launch writes into a table


def pointer_to(dtype):
    return types.CPointer(numba.from_dtype(dtype))


@cache
def sweep(rule, dtype, *, stage=False, held=False, scaled=False) -> gpu.Kernel:
    """The step of a rule: ``(p, g, state, n, given)``, where ``given`` holds the coefficients, on the device if
    ``held``, and if ``scaled`` the factor of ``clip_norm``. Those of a rule with sums are there, and ``given`` is where
    they are, and where what it made of its sums. TypeError if the rule does not compile for CUDA."""
    rule = staged(rule) if stage else rule
    check(rule, dtype)
    count, scalar, pointer = rule.width, numba.from_dtype(dtype), pointer_to(dtype)
    held = held or bool(rule.reduces)
    given = [pointer if held else types.UniTuple(scalar, count)] + [pointer] * scaled
    prepare = (step.held_scaled if scaled else step.held) if held else (step.scaled if scaled else step.plain)
    prepare = link_read(prepare, take=each(tuples.take, join, 0, count))
    if rule.reduces:
        prepare = link(step.informed, own=prepare, of_extra=each(tuples.take, join, 0, rule.extra))
        given = [types.Tuple(given), pointer]
    function = bound(
        step.sweep,
        update=rule.update,
        prepare=prepare,
        read=each(tuples.read, join, 0, len(rule.state)),
        write=each(tuples.write, both, 0, len(rule.state)),
        loaded=none if gpu.SIMULATED else gpu.barrier,
    )
    state = types.UniTuple(pointer, len(rule.state))
    return compiled(rule, dtype, function, pointer, pointer, state, types.int64, types.Tuple(given))


@cache
def advance(rule, dtype, *, stage=False) -> gpu.Kernel:
    """``(t, by, hyper, memory)``: count on the device, and leave the coefficients there."""
    rule = staged(rule) if stage else rule
    function = bound(
        step.advance,
        coefficients=rule.coefficients,
        put=each(tuples.put, both, 0, rule.width),
        take=each(tuples.take, join, 0, len(rule.hyper)),
    )
    return compiled(
        rule, dtype, function, types.CPointer(types.int64), types.int64, pointer_to(np.float64), pointer_to(dtype)
    )


def compiled(rule, dtype, function, *kinds) -> gpu.Kernel:
    try:
        return gpu.Kernel(function, *kinds)
    except (NumbaError, UnsupportedBytecodeError) as error:
        raise refusal(rule, dtype, error) from error


def refusal(rule, dtype, error) -> TypeError:
    return TypeError(f"rule {plain_name(rule.name)!r} must compile for CUDA and {dtype} arrays: {first_reason(error)}")


@cache
def squares(dtype) -> gpu.Kernel:
    """``((g, bound), n, partials)``: the first pass of a norm."""
    function = bound(norms.total, terms=link(norms.squares, WIDE=np.dtype(dtype).itemsize == 8), finish=norms.keep)
    return gpu.Kernel(function, types.Tuple((pointer_to(dtype), types.float64)), types.int64, pointer_to(np.float64))


@cache
def judge() -> gpu.Kernel:
    """``(partials, n, (clip, factor32, factor64, finite))``: the second pass, in one block."""
    out = types.Tuple((types.float64, pointer_to(np.float32), pointer_to(np.float64), types.CPointer(types.int64)))
    return gpu.Kernel(
        bound(norms.total, terms=norms.sums, finish=norms.judge), pointer_to(np.float64), types.int64, out
    )


@cache
def fill(dtype) -> gpu.Kernel:
    """``(p, n, value)``"""
    return gpu.Kernel(bound(memory.fill), pointer_to(dtype), types.int64, numba.from_dtype(dtype))


@cache
def scale(dtype) -> gpu.Kernel:
    """``(p, n, factor)``"""
    return gpu.Kernel(bound(memory.scale), pointer_to(dtype), types.int64, numba.from_dtype(dtype))


@cache
def add(dtype, other) -> gpu.Kernel:
    """``(out, n, more)``"""
    return gpu.Kernel(bound(memory.add), pointer_to(dtype), types.int64, pointer_to(other))


@cache
def pick(dtype) -> gpu.Kernel:
    """``(source, order, first, count, width, out)``"""
    pointer, counts = pointer_to(dtype), [types.int64] * 3
    return gpu.Kernel(bound(memory.pick), pointer, types.CPointer(types.int64), *counts, pointer)


@cache
def gather(dtype) -> gpu.Kernel:
    """``(sources, starts, count, out)``"""
    sources, starts = types.CPointer(pointer_to(dtype)), types.CPointer(types.int64)
    return gpu.Kernel(bound(memory.gather), sources, starts, types.int64, pointer_to(dtype))


@cache
def note() -> gpu.Kernel:
    """``(table, addresses)``"""
    addresses = types.UniTuple(types.int64, ADDRESSES)
    return gpu.Kernel(bound(memory.note), types.CPointer(types.int64), addresses)


def blocks(n, per_thread=step.EACH) -> int:
    """How many blocks a grid has for n elements."""
    return min(-(-n // (gpu.THREADS * per_thread)), MOST_BLOCKS)


def partials(n) -> int:
    """How many blocks the first pass of a norm has."""
    return min(-(-n // (gpu.THREADS * 8)), PARTIALS)


def full(size, dtype, value, stream):
    out = gpu.array(size, dtype)
    if size:
        fill(dtype)(stream, blocks(size, 1), gpu.pointer(out), size, value)
    return out


class Addresses:
    """A table on the device of where arrays are, for kernels that take many; written only where it changed."""

    def __init__(self, count):
        self._known: list[int] = []
        self._table: Any = None if gpu.SIMULATED else gpu.array(-(-count // ADDRESSES) * ADDRESSES, np.int64)

    def of(self, places, stream):
        """The table, for arrays of these (address, size, dtype)."""
        if gpu.SIMULATED:
            return tuple(gpu.at(*place) for place in places)
        start = self._table.device_ctypes_pointer.value
        addresses = [address for address, _, _ in places]
        if addresses != self._known:
            padded = addresses + [0] * (self._table.size - len(addresses))
            for k in range(0, len(padded), ADDRESSES):
                note()(stream, 1, start + 8 * k, tuple(padded[k : k + ADDRESSES]), threads=1)
            self._known = addresses
        return start
