"""An epoch of minibatch training: in Python, or compiled where the loss is a Numba function. Both to the same bits."""

import math
import time
from functools import partial
from typing import Any

import numpy as np
from numba import config, typeof
from numba.core.dispatcher import Dispatcher

from ..arrays.libraries import STREAMS, library_of
from ..arrays.nests import flatten
from ..kernels import addresses, cpu, norms
from ..kernels import epoch as compiled_loop
from ..kernels.counts import ALONE, HELD, ONE_AT_A_TIME, T
from ..kernels.functions import compile_for, remembered
from ..kernels.loops import epoch
from ..kernels.slices import next_slice, ticking
from ..step.asked import Asked
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
from ..targets.packed import Packed, pack
from .arguments import as_arguments, is_array, name_of
from .examples import refuse_mixed_floats


def training_of(loss_and_grad, opt) -> type["Training"]:
    """The compiled way where it can be taken, and where no step was to be parallel."""
    if not isinstance(loss_and_grad, Dispatcher) or config.DISABLE_JIT or target_of(opt).is_gpu:
        return Training
    blocks = layout_of(opt).all
    serial = all(block.run is cpu.kernel(opt.rule, block.p.dtype, stage=is_staged(opt)) for block in blocks)
    return CompiledTraining if serial and len({block.p.dtype for block in blocks}) == 1 else Training


class Training:
    """The loss, bound to an optimiser's parameters, to buffers for their gradient and to the examples.

    Gradients and sums are our own arrays, handed to the loss as arrays of the library that it works with.
    """

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        self.loss_and_grad, self.opt, self.mean = loss_and_grad, opt, mean
        self.target, self.layout = target_of(opt), layout_of(opt)
        self.data, self.n, self.size, self.accumulate = data, n, min(batch_size, n), accumulate
        libraries = [library_of(leaf) for _, leaf in flatten((opt.params, data), "")]
        self.library = next((library for library in libraries if library in STREAMS), "")
        with self.target.current():
            self.batches = self.target.batches(loss_and_grad, data, self.size if self.size < n else None)
            self.params = as_arguments(self._handed_over(opt.params), opt.params)
            zeros, self.buffers = self._gradients(opt.params)
            self.own = [leaf for _, leaf in flatten(zeros, "")]
            self.steps = self._handed_over(zeros) if self.library or is_array(zeros) else zeros  # given to ``step``
            self.grads = as_arguments(self.steps, opt.params)
            self.sums = [self.target.empty(g.size, g.dtype) for g in self.buffers] if accumulate > 1 else []
            self.unseen = 1  # no loss was seen to write the gradient

    def epoch(self, order) -> float:
        """One pass in this order (None: one batch holds all examples): an update per ``accumulate`` batches.

        Returns the sum, or mean, of the losses.
        """
        loop = compiled_loop.interpreted(
            self.accumulate > 1,
            self.mean,
            evaluate=Training._evaluate,
            is_written=Training._is_written,
            collect=Training._collect,
            finish=Training._finish,
            scale=Training._scale,
            update=Training._update,
        )
        with self.target.current():
            limits = self.n, self.n, self.size, self.accumulate, 0, math.inf  # time is never over: Python sees to all
            numbers, counts = [0.0], [0, 0, self.unseen, 0, 0]
            loop(self, self, self, self.batches.moved(order), limits, numbers, counts)
            self.unseen = 0
            total = self.batches.total(numbers[epoch.LOSS])
        return total / self.n if self.mean else total

    def evaluate(self, data, n) -> float:
        """The sum, or mean, of the losses of these data."""
        with self.target.current():
            total = self.batches.total(self._loss_of(data))
        return total / n if self.mean else total

    def _handed_over(self, nest):
        """A nest of the structure of the parameters as code of the library takes it."""
        leaves = [self.target.handed_over(self.library, leaf) for _, leaf in flatten(nest, "")]
        return self.layout.nest(leaves)

    def _gradients(self, params):
        """Arrays of ours in the structure of the parameters, and the buffers behind them, one per dtype."""
        if is_array(params):
            (place,) = self.layout.places
            buffer = self.target.zeros(place.size, place.dtype)
            return self.target.view(buffer, 0, place.size, place.shape, place.order), (buffer,)
        zeros = params.zeros_like() if isinstance(params, Packed) else pack(params, _fill=False)
        return zeros, zeros.buffers

    def _loss_of(self, batch) -> float:
        for g in self.buffers:
            self.target.fill(g, -0.0, self._stream())
        return self.batches.value(self.loss_and_grad(self.params, self.grads, *batch))

    def _stream(self):
        """The stream of the caller, where the loss queues its work."""
        return self.target.stream(self.data)

    # --- what the loop of kernels/loops/epoch.py calls ------------------------------------------------------------

    def _evaluate(self, order, start, end):
        return self._loss_of(self.batches.picked(order, start, end))

    def _is_written(self):
        """Raises if the loss left an array of the gradient as it was, as ``grads = X.T @ r`` does."""
        for k, g in enumerate(self.own):
            if self.target.is_untouched(g):
                name = name_of(self.grads, k)
                raise ValueError(
                    f"loss_and_grad must write {name} ({name}[...] = ... or +=), got it left as it was; "
                    "where it is 0, assign 0.0"
                )
        return True

    def _collect(self, first):
        for g, s in zip(self.buffers, self.sums):
            (self.target.copy if first else self.target.add)(s, g, self._stream())

    def _finish(self):
        for g, s in zip(self.buffers, self.sums):
            self.target.copy(g, s, self._stream())

    def _scale(self, factor):
        if factor != 1.0:
            for g in self.buffers:
                self.target.scale(g, factor, self._stream())

    def _update(self, numbers, counts):
        self.opt.step(self.steps)

    # --- keeping the best -----------------------------------------------------------------------------------------

    def copy(self):
        kept = [self.target.empty(block.p.size, block.p.dtype) for block in self.layout.all]
        for a, block in zip(kept, self.layout.all):
            self.target.write(a, block.p)
        return kept

    def restore(self, kept):
        for a, block in zip(kept, self.layout.all):
            self.target.write(block.p, a)


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
        pieces, _ = layout_of(self.opt).pieces(self.steps)
        self.blocks = tuple((p, g, state, block.group, missed) for block, p, g, state, missed in pieces)
        self.lanes = norms.workspace(max(block[0].size for block in self.blocks))
        self.scheduled = has_schedules(self.opt)
        flags = self._flags()
        if self._compiled_for != (flags, len(self.blocks)):  # to look at all types costs as much as an epoch
            self.kernel, self.address = self._kernel(flags)
            self._compiled_for = flags, len(self.blocks)

    def epoch(self, order) -> float:
        cells = counts_of(self.opt).cells
        if cells[HELD] or cells[ALONE]:
            raise RuntimeError(ONE_AT_A_TIME)
        cells[HELD] = 1  # and behind it comes ``try``, so that no interrupt can leave it so (kernels/counts.py)
        try:
            return self._held_epoch(order)
        finally:
            cells[HELD] = 0

    def _held_epoch(self, order):
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
        return float(numbers[0] / self.n if self.mean else numbers[0])

    def _slice(self, order, numbers, counts):
        """Some updates; the last may be left half done, for the next slice to go on with."""
        held, of_one = counts_of(self.opt), self.size * self.accumulate
        at, t = int(counts[epoch.AT]), held.cells[T]
        left = -(-(self.n - at + self.size * int(counts[epoch.BATCHES])) // of_one)
        table = self._table(t, min(self.limit, left))
        updates = min(self.limit, left, table.shape[1] if self.scheduled else left)
        batches = self.address, self.params, self.grads, self.memory[0], self.bounds, self.data, self.scratch
        steps = self.blocks, table, tuple(table[0, 0].tolist()), self.lanes, t, held.address
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
        held = (self.params, self.grads, self.data, self.scratch, self.blocks, self.memory[0])
        kinds = tuple(typeof(a) for a in held)
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
