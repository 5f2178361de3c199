"""The kernels of the CUDA target: loops of grid.py, bound to rules and compiled for their arguments."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError

from . import cuda, grid
from .bind import first_reason, link
from .cuda_bind import bound, each
from .stage import staged

MOST_BLOCKS = 1 << 16  # of a grid; beyond, a block takes several tiles
PARTIALS = 1024  # blocks of the first pass of a norm, at most: a function of the size alone, so that sums are too
ADDRESSES = 64  # that one launch writes into a table


def pointer_to(dtype):
    return types.CPointer(numba.from_dtype(dtype))


@cache
def sweep(rule, dtype, *, stage=False, held=False, scaled=False) -> cuda.Kernel:
    """The step of a rule: ``(p, g, state, n, given)``, where ``given`` holds the coefficients, on the device if
    ``held``, and if ``scaled`` the factor of ``clip_norm``. TypeError if the rule does not compile for CUDA."""
    rule = staged(rule) if stage else rule
    count, scalar, pointer = coefficients_of(rule), numba.from_dtype(dtype), pointer_to(dtype)
    given = [pointer if held else types.UniTuple(scalar, count)] + [pointer] * scaled
    prepare = (grid.held_scaled if scaled else grid.held) if held else (grid.scaled if scaled else grid.plain)
    function = bound(
        grid.sweep,
        update=rule.update,
        prepare=link(prepare, take=each(grid.take, grid.join, 0, count)),
        read=each(grid.read, grid.join, 0, len(rule.state)),
        write=each(grid.write, grid.both, 0, len(rule.state)),
        loaded=grid.none if cuda.SIMULATED else cuda.barrier,
    )
    state = types.UniTuple(pointer, len(rule.state))
    return compiled(rule, dtype, function, pointer, pointer, state, types.int64, types.Tuple(given))


@cache
def advance(rule, dtype, *, stage=False) -> cuda.Kernel:
    """``(t, by, hyper, memory)``: count on the device, and leave the coefficients there."""
    rule = staged(rule) if stage else rule
    count = coefficients_of(rule)
    function = bound(
        grid.advance,
        coefficients=rule.coefficients,
        put=each(grid.put, grid.both, 0, count),
        take=each(grid.take, grid.join, 0, len(rule.hyper)),
    )
    return compiled(
        rule, dtype, function, types.CPointer(types.int64), types.int64, pointer_to(np.float64), pointer_to(dtype)
    )


def compiled(rule, dtype, function, *kinds) -> cuda.Kernel:
    try:
        return cuda.Kernel(function, *kinds)
    except NumbaError as error:
        raise refusal(rule, dtype, error) from error


def refusal(rule, dtype, error) -> TypeError:
    return TypeError(f"rule {rule.name!r} must compile for CUDA and {dtype} arrays: {first_reason(error)}")


def coefficients_of(rule) -> int:
    return len(rule.coefficients(1, *(float(value) for value in rule.hyper.values())))


@cache
def squares(dtype) -> cuda.Kernel:
    """``((g, bound), n, partials)``: the first pass of a norm."""
    function = bound(grid.total, terms=link(grid.squares, WIDE=np.dtype(dtype).itemsize == 8), finish=grid.keep)
    return cuda.Kernel(function, types.Tuple((pointer_to(dtype), types.float64)), types.int64, pointer_to(np.float64))


@cache
def judge() -> cuda.Kernel:
    """``(partials, n, (clip, factor32, factor64, finite))``: the second pass, in one block."""
    out = types.Tuple((types.float64, pointer_to(np.float32), pointer_to(np.float64), types.CPointer(types.int64)))
    return cuda.Kernel(bound(grid.total, terms=grid.sums, finish=grid.judge), pointer_to(np.float64), types.int64, out)


@cache
def fill(dtype) -> cuda.Kernel:
    """``(p, n, value)``"""
    return cuda.Kernel(bound(grid.fill), pointer_to(dtype), types.int64, numba.from_dtype(dtype))


@cache
def scale(dtype) -> cuda.Kernel:
    """``(p, n, factor)``"""
    return cuda.Kernel(bound(grid.scale), pointer_to(dtype), types.int64, numba.from_dtype(dtype))


@cache
def add(dtype, other) -> cuda.Kernel:
    """``(out, n, more)``"""
    return cuda.Kernel(bound(grid.add), pointer_to(dtype), types.int64, pointer_to(other))


@cache
def pick(dtype) -> cuda.Kernel:
    """``(source, order, first, count, width, out)``"""
    pointer, counts = pointer_to(dtype), [types.int64] * 3
    return cuda.Kernel(bound(grid.pick), pointer, types.CPointer(types.int64), *counts, pointer)


@cache
def gather(dtype) -> cuda.Kernel:
    """``(sources, starts, count, out)``"""
    sources, starts = types.CPointer(pointer_to(dtype)), types.CPointer(types.int64)
    return cuda.Kernel(bound(grid.gather), sources, starts, types.int64, pointer_to(dtype))


@cache
def note() -> cuda.Kernel:
    """``(table, addresses)``"""
    addresses = types.UniTuple(types.int64, ADDRESSES)
    return cuda.Kernel(bound(grid.note), types.CPointer(types.int64), addresses)


def blocks(n, per_thread=grid.EACH) -> int:
    """How many blocks a grid has for n elements."""
    return min(-(-n // (cuda.THREADS * per_thread)), MOST_BLOCKS)


def partials(n) -> int:
    """How many blocks the first pass of a norm has."""
    return min(-(-n // (cuda.THREADS * 8)), PARTIALS)


def full(size, dtype, value, stream):
    out = cuda.array(size, dtype)
    if size:
        fill(dtype)(stream, blocks(size, 1), cuda.pointer(out), size, value)
    return out


class Addresses:
    """A table on the device of where arrays are, for kernels that take many; written only where it changed."""

    def __init__(self, count):
        self._known: list[int] = []
        self._table: Any = None if cuda.SIMULATED else cuda.array(-(-count // ADDRESSES) * ADDRESSES, np.int64)

    def of(self, places, stream):
        """The table, for arrays of these (address, size, dtype)."""
        if cuda.SIMULATED:
            return tuple(cuda.at(*place) for place in places)
        start = self._table.device_ctypes_pointer.value
        addresses = [address for address, _, _ in places]
        if addresses != self._known:
            padded = addresses + [0] * (self._table.size - len(addresses))
            for k in range(0, len(padded), ADDRESSES):
                note()(stream, 1, start + 8 * k, tuple(padded[k : k + ADDRESSES]), threads=1)
            self._known = addresses
        return start
