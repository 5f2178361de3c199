"""The optimiser whose parameters are on a GPU: the same options, without a wait for the device in a step."""

import math
from typing import Any

import numpy as np

from ..errors import describe
from ..kernels.cuda import gpu, kernels
from ..kernels.modifiers import staged
from .device_layout import DeviceBlocks
from .optimizer import Optimizer


class DeviceOptimizer(Optimizer):
    """What :class:`Optimizer` becomes for arrays on a GPU."""

    _on_gpu = True
    _blocks: DeviceBlocks
    _norm: Any
    _counted: Any

    def _place(self, roots, starts, parallel, threads, device):
        if device == "cpu":
            raise ValueError("params must be NumPy arrays with device='cpu', got arrays on the GPU")
        for name, value in (("parallel", parallel), ("threads", threads)):
            if value is not None:
                raise ValueError(f"{name} must be None for arrays on the GPU, got {describe(value)}")
        self._norm = self._counted = None
        blocks = DeviceBlocks(self.params, roots, self.rule, starts, self._staged, None, None)
        blocks.ordered = not self._capturable  # a graph holds no work of streams that are not captured
        return blocks

    def _prepare(self):
        if self._capturable and any(hyper.scheduled for hyper in self._hyper):
            raise ValueError("hyperparameters must be numbers with capturable=True, got a schedule")
        clips = self._clip_norm is not None
        with gpu.on(self._blocks.device):
            options = {"stage": self._staged, "held": self._capturable, "scaled": clips}
            dtypes = dict.fromkeys(block.p.dtype for block in self._blocks.all)
            self._sweeps = {dtype: kernels.sweep(self.rule, dtype, **options) for dtype in dtypes}
            if self._norm is None and (clips or self._check_finite):
                self._norm = Norm(sum(map(most_partials, self._blocks.all)))
            if self._capturable:
                self._count()
            gpu.finish()  # for the state to be there: steps may be on another stream

    def _count(self):
        """Put the count and the hyperparameters on the device; where a captured graph reads them, if there is one."""
        if self._counted is None or self._counted.stage != self._staged:
            self._counted = Counted(self)
        else:
            self._counted.write(self)

    @property
    def t(self):
        """Steps applied; read from the device where it counts itself."""
        return self._t if self._counted is None else self._counted.t()

    @t.setter
    def t(self, t):
        self._t = t

    def step(self, grads) -> None:
        with gpu.on(self._blocks.device):
            self._apply(self._blocks.pieces(grads), grads)

    def _apply(self, pieces, grads):
        if not pieces:
            if self._blocks.holds_any(grads):  # of size 0
                self._given(pieces, self._blocks.stream())
                self._t += 1
            return
        stream = self._blocks.stream()
        if self._check_finite and not self._norm.is_finite(pieces, stream):
            if self._check_finite is True:
                self._refuse_not_finite(grads)
            self.skipped += 1
            return
        clips = self._clip_norm is not None
        if clips:
            self._norm.measure(pieces, stream, self._bound(), float(self._clip_norm))
        given = self._given(pieces, stream)
        for piece in pieces:
            dtype = piece.block.p.dtype
            c = given[piece.block.group, dtype]
            factor = (self._norm.factor[dtype],) if clips else ()
            blocks = kernels.blocks(piece.size)
            self._sweeps[dtype](stream, blocks, piece.p, piece.g, piece.state, piece.size, (c, *factor))
        self._t += 1

    def _given(self, pieces, stream) -> dict:
        """What each group and dtype is stepped with: the coefficients, or where on the device they are."""
        if self._capturable:
            return self._counted.advance(stream)
        t = self._t + 1
        coefficients = self._ruled().coefficients
        c = [coefficients(t, *self._numbers(hyper, t, self._sign)) for hyper in self._hyper]
        return {(piece.block.group, piece.block.p.dtype): c[piece.block.group] for piece in pieces}

    def _ruled(self):
        return staged(self.rule) if self._staged else self.rule

    def _bound(self):
        return math.inf if self._clip_value is None else float(self._clip_value)


def most_partials(block) -> int:
    """Of the norm's first pass: of the block as a whole, or array by array, where one has no gradient."""
    one_by_one = sum(kernels.partials(j - i) for _, i, j in block.members)
    return max(kernels.partials(block.p.size), one_by_one)


class Norm:
    """The norm of all gradients, and what follows from it, on the device."""

    def __init__(self, count):
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
            kernels.squares(dtype)(stream, blocks, (piece.g, bound), piece.size, out)
            begin += blocks
        out = (clip, *self.factor.values(), gpu.pointer(self._finite))
        kernels.judge()(stream, 1, gpu.pointer(self._partials), begin, out)

    def is_finite(self, pieces, stream) -> bool:
        """Whether all gradients are: the one thing that a step waits for the device for."""
        self.measure(pieces, stream, math.inf, 1.0)
        return bool(gpu.to_host_after(self._finite, stream)[0])


class Counted:
    """The count of steps, the hyperparameters and the coefficients on the device, for steps that a graph replays."""

    def __init__(self, opt):
        self._rule, self.stage = opt.rule, opt._staged
        self._hyper = [gpu.from_host(a) for a in self._numbers(opt)]
        self._count = gpu.from_host(np.array([opt._t], np.int64))
        count = kernels.coefficients_of(opt._ruled())
        kinds = dict.fromkeys((block.group, block.p.dtype) for block in opt._blocks.all)
        self._memory = {kind: gpu.array(count, kind[1]) for kind in kinds}

    def write(self, opt):
        """Take the count and the hyperparameters over, into the same memory."""
        for mine, numbers in zip(self._hyper, self._numbers(opt)):
            gpu.copy_in(mine, numbers)
        gpu.copy_in(self._count, np.array([opt._t], np.int64))

    @staticmethod
    def _numbers(opt):
        return [np.array(opt._numbers(hyper, 1, opt._sign)) for hyper in opt._hyper]

    def advance(self, stream) -> dict:
        """Count a step, and leave its coefficients on the device; where they are, by group and dtype."""
        by, out = 1, {}
        for (group, dtype), memory in self._memory.items():
            out[group, dtype] = gpu.pointer(memory)
            kernel = kernels.advance(self._rule, dtype, stage=self.stage)
            hyper = gpu.pointer(self._hyper[group])
            kernel(stream, 1, gpu.pointer(self._count), by, hyper, out[group, dtype], threads=1)
            by = 0
        return out

    def t(self) -> int:
        return int(gpu.to_host(self._count)[0])
