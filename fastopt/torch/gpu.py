"""Tensors on a CUDA device: a launch for each, on PyTorch's current stream, and no wait."""

import torch

from ..arrays.device import stream_of
from ..kernels.cuda import gpu, kernels
from ..kernels.modifiers import staged
from .parts import Part


class GpuPart(Part):
    def look(self) -> bool:
        """Note which tensors have a gradient; whether there are some, as Python looks at all of them."""
        self.grads = [p.grad for p in self.params]
        self.live = [p for p, g in zip(self.params, self.grads) if g is not None]
        return bool(self.live)

    def settle(self):
        """Look at them. Raises where something is none of this part's."""
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("step must not be captured in a CUDA graph, got a capture: its count would stand still")
        self._rows = [(i, self.pieces(i)) for i, g in enumerate(self.grads) if g is not None]

    def run(self):
        dtype, rule = self.numpy_dtype, self.spelled.rule
        run = kernels.sweep(rule, dtype, stage=self.stage)
        coefficients = (staged(rule) if self.stage else rule).coefficients
        with gpu.on(self.device.index):
            stream = gpu.stream(stream_of("torch", self.device.index), self.device.index)
            for i, pieces in self._rows:
                t, own = self._count(i)
                p, g, *state = (gpu.at(piece.data_ptr(), piece.numel(), dtype) for piece in pieces)
                size, given = pieces[0].numel(), coefficients(t, *own, *self.numbers)
                if size:
                    run(stream, kernels.blocks(size), p, g, tuple(state), size, (given,))
                self._write_count(i, t, own)
        self.finish()

    def _count(self, i):
        """Which step tensor i takes, and its own number, if it has one."""
        step, own, *_ = self.keys
        state = self.states[i]
        return 1 + int(state[step] if step else self.taken[i]), (float(state[own]),) if own else ()

    def _write_count(self, i, t, own):
        state = self.states[i]
        self.taken[i] = t
        if self.keys[0]:
            state["step"].fill_(t)
        if own:
            name, following = self.spelled.own
            state[name].fill_(following(t, *own, *self.numbers))
