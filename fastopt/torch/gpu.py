"""Tensors on a CUDA device: a launch for each, on PyTorch's current stream of that device, and no wait.

What PyTorch frees meanwhile it gives away again on the same stream, so nothing has to outlive its launch. Numbers are
counted on the CPU: those of a state that are on a device are fetched once, a rate that is a tensor there in each step.
"""

from functools import partial
from operator import call
from typing import Any

import torch

from ..arrays.device import stream_of
from ..kernels.cuda import gpu, kernels
from ..kernels.modifiers import staged
from ..step.interrupts import to_the_end
from .parts import Part, count_of, on_host


class GpuPart(Part):
    _queue: Any = ()  # what a step calls: launches, what counts them, and its end

    def look(self) -> bool:
        """Note which tensors have a gradient; whether there are some, as Python looks at all of them."""
        self.grads = [p.grad for p in self.params]
        self.live = [p for p, g in zip(self.params, self.grads) if g is not None]
        self._queue = ()
        return bool(self.live)

    # --- before anything is written ---------------------------------------------------------------------------------

    def settle(self):
        """Fill the queue. Raises where something is none of this part's."""
        with torch.cuda.device(self.device):
            if torch.cuda.is_current_stream_capturing():
                raise RuntimeError("step must not be captured in a CUDA graph, got a capture: a replay counts no steps")
        live = [i for i, g in enumerate(self.grads) if g is not None]
        ats = [self._at(i) for i in live]
        with gpu.on(self.device.index):
            launches = self._launches(live, ats)
        counting = [one for i, at in zip(live, ats) for one in self._counting(i, at)]
        self._queue, self._called = [*launches, *counting, self.finish], []

    def _at(self, i) -> tuple:
        """The step that tensor i takes, and its own numbers before it. Waits for what is on a device."""
        step, state = self.keys[0], self.states[i]
        t = 1 + (count_of(self.names[i], state, step) if step else self.taken[i])
        return t, *(float(on_host(state, own)) for own in self.spelled.own.starts)

    def _launches(self, live, ats) -> list:
        rule, dtype, index = self.spelled.rule, self.numpy_dtype, self.device.index
        sweep = kernels.sweep(rule, dtype, stage=self.stage)
        stream = gpu.stream(stream_of("torch", index), index)
        coefficients = (staged(rule) if self.stage else rule).coefficients
        given = {at: coefficients(*at, *self.numbers) for at in set(ats)}
        launches = []
        for i, at in zip(live, ats):
            pieces, size = self.pieces(i), self.params[i].numel()
            p, g, *state = (gpu.at(piece.data_ptr(), size, dtype) for piece in pieces)
            if size:
                launches.append(sweep.ready(stream, kernels.blocks(size), p, g, tuple(state), size, (given[at],)))
        return launches

    def _counting(self, i, at):
        """What writes down that tensor i took this step."""
        step, state, own = self.keys[0], self.states[i], self.spelled.own
        yield partial(self.taken.__setitem__, i, at[0])
        if step:
            yield partial(state[step].fill_, at[0])
        if own.starts:
            for name, value in zip(own.starts, own.following(*at, *self.numbers)):
                yield partial(state[name].fill_, value)

    # --- the step ---------------------------------------------------------------------------------------------------

    def run(self):
        if self._queue:
            with gpu.on(self.device.index):
                to_the_end(self._go_on)

    def _go_on(self):
        """Call what is left of the queue. A call and its note are one to CPython, so no interrupt comes between."""
        self._called.extend(map(call, self._queue[len(self._called) :]))
