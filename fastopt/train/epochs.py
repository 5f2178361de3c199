"""An epoch of minibatch training: in Python, or compiled where the loss is a Numba function. Both to the same bits."""

import time
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numba import config, typeof
from numba.core.dispatcher import Dispatcher

from ..arrays.host import flat
from ..arrays.libraries import is_on_device
from ..arrays.namedtuples import is_field, record
from ..errors import describe, listing
from ..kernels import addresses, cpu, norms
from ..kernels import epoch as compiled_loop
from ..kernels.functions import compile_for
from ..kernels.loops import epoch
from ..kernels.slices import next_slice
from ..step.inside import (
    has_schedules,
    is_staged,
    layout_of,
    numbers_at,
    options_of,
    refuse_not_finite,
    set_counts,
    target_of,
)
from ..targets.packed import Packed, pack


def training_of(loss_and_grad, opt) -> type["Training"]:
    """The compiled way where it can be taken, and where no step was to be parallel."""
    if target_of(opt).is_gpu:
        from .device_epochs import DeviceTraining

        return DeviceTraining
    blocks = layout_of(opt).all
    compilable = isinstance(loss_and_grad, Dispatcher) and not config.DISABLE_JIT
    serial = all(block.run is cpu.kernel(opt.rule, block.p.dtype, stage=is_staged(opt)) for block in blocks)
    if compilable and serial and len({block.p.dtype for block in blocks}) == 1:
        return CompiledTraining
    return Training


class Training:
    """The loss, bound to an optimiser's parameters, to buffers for their gradient and to the examples."""

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        self.loss_and_grad, self.opt, self.mean = loss_and_grad, opt, mean
        self.data, self.n, self.batch_size, self.accumulate = data, n, batch_size, accumulate
        self.params = self._parameters(opt.params)
        self.steps, self.buffers = self._gradients(opt.params)  # what the optimiser is stepped with
        self.grads = self._handed_out(self.steps)
        self.sums = [self._like(buffer) for buffer in self.buffers] if accumulate > 1 else []

    def epoch(self, order) -> float:
        """One pass in this order (None: one batch holds all examples): an update per ``accumulate`` batches.

        Returns the sum, or mean, of the losses.
        """
        n, total, sizes, order = self.n, 0.0, [], self._moved(order)
        for start in range(0, n, self.batch_size):
            end = min(start + self.batch_size, n)
            total += self._call(self._batch(order, start, end))
            sizes.append(end - start)
            if self.accumulate > 1:
                self._collect(first=len(sizes) == 1)
            if len(sizes) == self.accumulate or end == n:
                self._finish(1.0 / sum(sizes) if self.mean else 1.0)
                self.opt.step(self.steps)
                sizes.clear()
        total = self._read(total)
        return total / n if self.mean else total

    def evaluate(self, data, n) -> float:
        total = self._read(self._call(data))
        return total / n if self.mean else total

    def _call(self, batch) -> float:
        self._clear()
        return self._value(self.loss_and_grad(self.params, self.grads, *batch))

    # --- what depends on where the arrays are ----------------------------------------------------------------------

    def _parameters(self, params):
        """As the loss gets them."""
        return as_arguments(params)

    def _gradients(self, params):
        """Zeros in the structure of the parameters, and the buffers behind them, one per dtype."""
        if isinstance(params, np.ndarray):
            zeros = np.zeros_like(params)
            return zeros, (zeros,)
        zeros = params.zeros_like() if isinstance(params, Packed) else pack(params, _fill=False)
        return zeros, zeros.buffers

    def _like(self, buffer):
        return np.empty_like(buffer)

    def _handed_out(self, steps):
        """The gradients as the loss gets them."""
        return as_arguments(steps, self.opt.params)

    def _moved(self, order):
        return order

    def _batch(self, order, start, end):
        return self.data if order is None else [a[order[start:end]] for a in self.data]

    def _clear(self):
        for g in self.buffers:
            g.fill(0.0)

    def _value(self, loss) -> float:
        if not is_number(loss):
            raise TypeError(f"loss_and_grad must return the loss as a number, got {describe(loss)}")
        return float(loss)

    def _read(self, total) -> float:
        """The sum of the losses, where a part of it is elsewhere."""
        return total

    def _collect(self, first):
        """Add a batch's gradients to those of the batches before."""
        for g, s in zip(self.buffers, self.sums):
            np.copyto(s, g) if first else np.add(s, g, out=s)

    def _finish(self, factor):
        """Leave in the buffers what the optimiser is stepped with."""
        if self.accumulate > 1:
            for g, s in zip(self.buffers, self.sums):
                np.copyto(g, s)
        if factor != 1.0:
            for g in self.buffers:
                g *= factor

    def copy(self):
        return [leaf.copy(order="K") for leaf in layout_of(self.opt).leaves]

    def restore(self, kept):
        for leaf, old in zip(layout_of(self.opt).leaves, kept):
            leaf[...] = old


def is_number(loss):
    return isinstance(loss, (int, float, np.integer, np.floating)) or (
        isinstance(loss, np.ndarray) and loss.ndim == 0 and loss.dtype.kind in "iuf"
    )


def is_array(a):
    return isinstance(a, np.ndarray) or is_on_device(a)


def as_arguments(nest, like=None):
    """How a nest of arrays is handed to a loss: the array, a tuple for a sequence, a named tuple for a mapping.

    A named tuple stays one, also where ``nest`` has only the structure of one, ``like``.
    """
    like = nest if like is None else like
    if is_array(nest):
        return nest
    children = list(nest.values()) if isinstance(nest, Mapping) else list(nest)
    if not all(map(is_array, children)):
        raise TypeError("params must be an array or one level of arrays for fit, got a deeper nest")
    if not isinstance(nest, Mapping):
        return type(like)(*children) if hasattr(like, "_fields") else tuple(children)
    if not all(map(is_field, nest)):
        raise TypeError(f"the keys of params must be identifiers for fit, got {listing(nest)}")
    return record(nest)(*children)


class CompiledTraining(Training):
    """Slices of an epoch's updates, each one call of compiled code."""

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        super().__init__(loss_and_grad, opt, mean, data, n, batch_size, accumulate)
        pieces = layout_of(opt).pieces(self.steps)
        self.blocks = tuple((p, g, state, block.group) for block, p, g, state in pieces)
        self.lanes = norms.workspace(max(p.size for p, _, _, _ in self.blocks))
        self.memory = flat(self.buffers[0])
        self.sum = flat(self.sums[0]) if self.sums else self.memory[:0]
        self.scheduled = has_schedules(opt)
        self.limit = 1
        self.data, self.size = tuple(data), min(batch_size, self.n)
        rows = [np.empty((self.size, *a.shape[1:]), a.dtype) for a in data] if self.size < self.n else []
        self.scratch = tuple(rows)  # for the examples of a batch
        self.kernel, self.address = self._kernel()

    def epoch(self, order) -> float:
        opt, n, size, accumulate = self.opt, self.n, self.size, self.accumulate
        order = np.arange(0) if order is None else order
        options = options_of(opt)
        numbers = np.array([0.0, options.clip_norm or 0.0, options.bound])
        counts = np.array([0, opt.t, opt.skipped, 0])
        try:
            while counts[epoch.AT] < n:
                begin, t = int(counts[epoch.AT]), int(counts[epoch.T])
                updates = min(self.limit, -(-(n - begin) // (size * accumulate)))
                table = self._table(t, updates)
                updates = table.shape[1] if self.scheduled else updates
                before = time.perf_counter()
                self.kernel(
                    self.address, self.params, self.grads, self.data, self.scratch, order, self.blocks, self.memory,
                    self.sum, table, tuple(table[0, 0].tolist()), self.lanes, (updates, n, size, accumulate, t),
                    numbers, counts,
                )  # fmt: skip
                self.limit = next_slice(updates, time.perf_counter() - before)
                if counts[epoch.BAD]:
                    refuse_not_finite(opt, self.steps)
        finally:
            set_counts(opt, int(counts[epoch.T]), int(counts[epoch.SKIPPED]))
        return float(numbers[0] / n if self.mean else numbers[0])

    def _table(self, t, updates):
        """The hyperparameters of the next slice: by group, and by step where there are schedules."""
        rows: list = []
        for step in range(t + 1, t + updates + 1) if self.scheduled else (t + 1,):
            try:
                rows.append(numbers_at(self.opt, step))
            except Exception:
                if not rows:
                    raise
                break  # the steps before it are taken first; then it comes again
        return np.array(rows).swapaxes(0, 1).copy()

    def _kernel(self):
        """The compiled epoch for these data, and the address of the loss."""
        opt, options = self.opt, options_of(self.opt)
        flags = compiled_loop.Flags(
            gathers=bool(self.scratch),
            accumulates=self.accumulate > 1,
            mean=self.mean,
            checks=bool(options.check_finite),
            skips=options.check_finite == "skip",
            clips=options.clip_norm is not None,
            stage=is_staged(opt),
        )
        native = [a.dtype.kind in "fiucb" and a.dtype.isnative and a.dtype != "f2" for a in self.data]
        if not all(native):
            wrong = self.data[native.index(False)].dtype.str
            raise TypeError(f"data must hold arrays of native numbers for a Numba function, got dtype {wrong}")
        held = (self.params, self.grads, self.data, self.scratch, self.blocks, self.memory)
        kinds = tuple(typeof(a) for a in held)
        return compiled_epoch(self.loss_and_grad, opt.rule, flags, *kinds)[:2]


@lru_cache(maxsize=64)
def compiled_epoch(loss_and_grad, rule, flags, params, grads, data, scratch, blocks, memory):
    """The epoch for arguments of these Numba types, the address of the loss, and the loss, which must stay alive."""
    takes = (params, grads, *(scratch if flags.gathers else data))
    loss, returns = compile_for(loss_and_grad, takes, "loss_and_grad", "loss")
    kernel = compiled_loop.kernel(rule, flags, returns, params, grads, data, scratch, blocks, memory)
    return kernel, addresses.address_of(loss, takes), loss
