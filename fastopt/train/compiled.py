"""The same epoch, compiled, where the loss is a Numba function: to the same bits."""

import threading
import time
from functools import partial
from typing import Any

import numpy as np
from numba import config, typeof
from numba.core.dispatcher import Dispatcher

from ..kernels import addresses, cpu, norms
from ..kernels import epoch as compiled_loop
from ..kernels.counts import T
from ..kernels.functions import compile_for, remembered
from ..kernels.loops import epoch
from ..kernels.slices import next_slice, ticking
from ..step.asked import Asked
from ..step.held import held
from ..step.inside import (
    counts_of,
    has_schedules,
    is_staged,
    layout_of,
    numbers_at,
    options_of,
    refuse_not_finite,
    target_of,
)
from ..targets.blocks import sums_itself
from .epochs import Training
from .examples import refuse_mixed_floats
from .ranks import TrainingOfRanks


def training_of(loss_and_grad, opt) -> type[Training]:
    """The compiled way where it can be taken, and where no step was to be parallel or is one of several ranks."""
    if target_of(opt).ranks is not None:
        return TrainingOfRanks
    if not isinstance(loss_and_grad, Dispatcher) or config.DISABLE_JIT or target_of(opt).is_gpu:
        return Training
    blocks = layout_of(opt).all
    serial = all(_is_serial(opt, block) for block in blocks)
    return CompiledTraining if serial and len({block.p.dtype for block in blocks}) == 1 else Training


def _is_serial(opt, block) -> bool:
    return sums_itself(block) or block.run is cpu.kernel(opt.rule, block.p.dtype, stage=is_staged(opt))


class CompiledTraining(Training):
    """Slices of an epoch's updates, each one call of compiled code."""

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        super().__init__(loss_and_grad, opt, mean, data, n, batch_size, accumulate)
        self.memory = self.buffers[0], self.sums[0] if self.sums else self.buffers[0][:0]
        ends = np.cumsum([0, *(g.size for g in self.own)])
        self.bounds = np.column_stack([ends[:-1], ends[1:]])  # of each array in the memory
        self.limit = 1
        self.data = tuple(data)
        rows = [np.empty((self.size, *a.shape[1:]), a.dtype) for a in data] if self.size < self.n else []
        self.scratch = tuple(rows)  # for the examples of a batch
        self._compiled_for: Any = None
        self._prepare()

    def _prepare(self):
        """Take over how the optimiser is now: callbacks may step it, and change its hyperparameters, between epochs."""
        pieces = layout_of(self.opt).pieces_of_own(self.steps)
        self.blocks = tuple((p, g, state, block.group, missed, block.kept) for block, p, g, state, missed in pieces)
        self.lanes = norms.workspace(max(block[0].size for block in self.blocks))
        self.scheduled = has_schedules(self.opt)
        flags = self._flags()
        if self._compiled_for != (flags, len(self.blocks)):  # to look at all types costs as much as an epoch
            self.kernel, self.address = self._kernel(flags)
            self._compiled_for = flags, len(self.blocks)

    def _pass(self, order) -> float:
        return held(counts_of(self.opt).cells, threading.get_ident(), self._held_pass, order)

    def _held_pass(self, order):
        self._prepare()
        opt, options = self.opt, options_of(self.opt)
        order = np.arange(0) if order is None else order
        numbers = np.array([0.0, options.clip_norm or 0.0, options.bound])
        counts = np.array([0, 0, self.unseen, 0, 0])
        self.asked = Asked(partial(numbers_at, opt), opt.t)  # anew: what came between may have changed schedules
        while counts[epoch.AT] < self.n:
            self._slice(order, numbers, counts)
            if counts[epoch.UNSEEN]:
                self._is_written()
            self.unseen = 0
            if counts[epoch.BAD]:
                refuse_not_finite(opt, self.steps)
        return float(numbers[0])

    def _slice(self, order, numbers, counts):
        """Some updates; the last may be left half done, for the next slice to go on with."""
        counted, of_one = counts_of(self.opt), self.size * self.accumulate
        at, t = int(counts[epoch.AT]), counted.cells[T]
        left = -(-(self.n - at + self.size * int(counts[epoch.BATCHES])) // of_one)
        table = self._table(t, min(self.limit, left))
        updates = min(self.limit, left, table.shape[1] if self.scheduled else left)
        batches = self.address, self.params, self.grads, self.memory[0], self.bounds, self.data, self.scratch
        steps = self.blocks, table, tuple(table[0, 0].tolist()), self.lanes, t, counted.address
        before = time.perf_counter()
        with ticking() as tick:
            limits = updates, self.n, self.size, self.accumulate, *tick
            self.kernel(batches, self.memory, steps, order, limits, numbers, counts)
        done = (int(counts[epoch.AT]) - at) // of_one
        self.limit = next_slice(max(1, done), time.perf_counter() - before)

    def _table(self, t, updates):
        """The hyperparameters of the updates after t: by group, and by step where there are schedules."""
        if not self.scheduled:
            return np.array([numbers_at(self.opt, t + 1)]).swapaxes(0, 1).copy()
        if options_of(self.opt).check_finite == "skip":
            updates = 1  # whether the next step is taken is not known before
        return np.array(self.asked.after(t, updates)).swapaxes(0, 1).copy()

    def _flags(self):
        options = options_of(self.opt)
        return compiled_loop.Flags(
            gathers=bool(self.scratch),
            accumulates=self.accumulate > 1,
            mean=self.mean,
            checks=bool(options.check_finite),
            skips=options.check_finite == "skip",
            clips=options.clip_norm is not None,
            stage=is_staged(self.opt),
        )

    def _kernel(self, flags):
        """The compiled epoch for these data, and the address of the loss."""
        native = [a.dtype.kind in "fiucb" and a.dtype.isnative and a.dtype != "f2" for a in self.data]
        if not all(native):
            wrong = self.data[native.index(False)].dtype.str
            raise TypeError(f"data must hold arrays of native numbers for a Numba function, got dtype {wrong}")
        arguments = (self.params, self.grads, self.data, self.scratch, self.blocks, self.memory[0])
        kinds = tuple(typeof(a) for a in arguments)
        try:
            return compiled_epoch(self.loss_and_grad, self.opt.rule, flags, *kinds)[:2]
        except TypeError as error:
            refuse_mixed_floats(self.data, self.memory[0].dtype, error)
            raise


@remembered(lambda loss_and_grad, *_: (loss_and_grad,), maxsize=64)
def compiled_epoch(loss_and_grad, rule, flags, params, grads, data, scratch, blocks, memory):
    """The epoch for arguments of these Numba types, the address of the loss, and the loss, which must stay alive."""
    takes = (params, grads, *(scratch if flags.gathers else data))
    loss, returns = compile_for(loss_and_grad, takes, "loss_and_grad", "loss")
    kernel = compiled_loop.kernel(rule, flags, returns, params, grads, data, scratch, blocks, memory)
    return kernel, addresses.address_of(loss, takes), loss
