"""What is done with the pieces of a step, in this order: tested, measured, stepped. On a GPU, and without a wait."""

import math
from operator import call
from typing import Any

import numpy as np

from ..kernels.counts import LEFT
from ..kernels.cuda import gpu, kernels
from ..kernels.modifiers import ONE
from ..kernels.modifiers import staged as with_stage


class Steps:
    """For the blocks of an optimiser, with its options and its counts."""

    def __init__(self, target, rule, blocks, options, counts):
        self._cells = counts.cells
        self._launched: list = []  # of the step that is under way, what the launches returned
        self._target, self._rule, self._capturable = target, rule, options.capturable
        self._kinds = list(dict.fromkeys((block.group, block.p.dtype) for block in blocks))
        self._counted: Any = None
        self._clips, self._norm = options.clip_norm is not None, None  # type: Any, Any
        if self._clips or options.check_finite:
            with target.current():
                self._norm = Norm(sum(map(most_partials, blocks)), {dtype for _, dtype in self._kinds})

    def prepare(self, staged):
        """Make ready for steps with this modifier or without it."""
        self._coefficients = (with_stage(self._rule) if staged else self._rule).coefficients
        self._target.finish()  # for the state to be there: steps may be on another stream

    def count_from(self, t, numbers):
        """Count on the device, t steps so far; where a captured graph reads these numbers, if there is one."""
        with self._target.current():
            if self._counted is None:
                self._counted = Counted(self._rule, self._kinds, t, numbers)
            else:
                self._counted.write(t, numbers)

    def take_numbers(self, numbers):
        """Take changed numbers over on the device, after the steps that were queued."""
        with self._target.current():
            self._counted.write_numbers(numbers)

    def count(self) -> int:
        """The steps applied, read from the device."""
        return self._counted.t()

    def is_finite(self, pieces) -> bool:
        """Whether all gradients are: the one thing that a step waits for the device for."""
        return self._norm.is_finite(pieces, self._target.streams.of_step)

    def factor(self, pieces, clip, bound) -> float:
        """Leave the factor of ``clip_norm`` on the device, where ``run`` takes it from."""
        self._norm.measure(pieces, self._target.streams.of_step, bound, float(clip))
        return ONE

    def run(self, pieces, t, numbers):
        """Step t, with the numbers that each group's coefficients are made of, unless the device has them.

        Goes on where it was interrupted: a launch and its note are within one call to CPython.
        """
        if self._cells[LEFT]:  # the step begins
            self._launched = []
            self._cells[LEFT] = 0
        launches = self._launches(pieces, t, numbers)
        self._launched.extend(map(call, launches[len(self._launched) :]))

    def _launches(self, pieces, t, numbers) -> list:
        stream = self._target.streams.of_step
        launches, held = self._counted.advances(stream) if self._capturable else ([], {})
        made: dict = {}  # by group and count
        for piece in pieces:
            block, dtype = piece.block, piece.block.p.dtype
            factor = (self._norm.factor[dtype],) if self._clips else ()
            if self._capturable:
                given = held[block.group, dtype]
            else:
                key = block.group, piece.missed
                if key not in made:
                    made[key] = self._coefficients(t - piece.missed, *numbers[block.group])
                given = made[key]
            numbers_there = (given, *factor)
            arrays = piece.p, piece.g, piece.state
            launches.append(block.run.ready(stream, piece.grid, *arrays, piece.size, numbers_there))
        return launches


def most_partials(block) -> int:
    """Of the norm's first pass: of the block as a whole, or array by array, where one has no gradient."""
    one_by_one = sum(kernels.partials(j - i) for _, i, j in block.members)
    return max(kernels.partials(block.p.size), one_by_one)


class Norm:
    """The norm of all gradients, and what follows from it, on the device."""

    def __init__(self, count, dtypes):
        self._squares, self._judge = {dtype: kernels.squares(dtype) for dtype in dtypes}, kernels.judge()
        self._partials = gpu.array(3 * count, np.float64)
        self._finite = gpu.array(1, np.int64)
        self._factors = {np.dtype(dtype): gpu.array(1, dtype) for dtype in (np.float32, np.float64)}
        self.factor = {dtype: gpu.pointer(a) for dtype, a in self._factors.items()}

    def measure(self, pieces, stream, bound, clip):
        """Leave min(1, clip / (norm + 1e-6)) in ``factor``, of gradients clipped to ±bound."""
        begin = 0
        for piece in pieces:
            dtype, blocks = piece.block.p.dtype, kernels.partials(piece.size)
            out = gpu.pointer(self._partials[3 * begin : 3 * (begin + blocks)])
            self._squares[dtype](stream, blocks, (piece.g, bound), piece.size, out)
            begin += blocks
        out = (clip, *self.factor.values(), gpu.pointer(self._finite))
        self._judge(stream, 1, gpu.pointer(self._partials), begin, out)

    def is_finite(self, pieces, stream) -> bool:
        self.measure(pieces, stream, math.inf, 1.0)
        return bool(gpu.to_host_after(self._finite, stream)[0])


class Counted:
    """The count of steps, the hyperparameters and the coefficients on the device, for steps that a graph replays."""

    def __init__(self, rule, kinds, t, numbers):
        self._hyper = [gpu.from_host(np.array(row)) for row in numbers]
        self._count = gpu.from_host(np.array([t], np.int64))
        size = with_stage(rule).width
        self._memory = {kind: gpu.array(size, kind[1]) for kind in kinds}
        self._advance = {dtype: kernels.advance(rule, dtype, stage=True) for _, dtype in kinds}  # not while captured

    def write(self, t, numbers):
        """Take the count and the hyperparameters over, into the same memory."""
        self.write_numbers(numbers)
        gpu.copy_in(self._count, np.array([t], np.int64))

    def write_numbers(self, numbers):
        for mine, row in zip(self._hyper, numbers):
            gpu.copy_in(mine, np.array(row))

    def advances(self, stream) -> tuple[list, dict]:
        """What to launch to count a step and leave its coefficients on the device; where, by group and dtype."""
        by, launches, out = 1, [], {}
        for (group, dtype), memory in self._memory.items():
            out[group, dtype] = gpu.pointer(memory)
            hyper = gpu.pointer(self._hyper[group])
            given = gpu.pointer(self._count), by, hyper, out[group, dtype]
            launches.append(self._advance[dtype].ready(stream, 1, *given, threads=1))
            by = 0
        return launches, out

    def t(self) -> int:
        return int(gpu.to_host(self._count)[0])
