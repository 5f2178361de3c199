"""Tensors on a CUDA device: a launch for each, on PyTorch's current stream of that device, and no wait.

What PyTorch frees meanwhile it gives away again on the same stream, so nothing has to outlive its launch. Numbers are
counted on the CPU: those of a state that are on a device are fetched once, a rate that is a tensor there in each step.
"""

import torch

from ..arrays.device import stream_of
from ..kernels.cuda import gpu, kernels
from ..kernels.modifiers import staged
from .queued import Queued


class GpuPart(Queued):
    # --- before anything is written ---------------------------------------------------------------------------------

    def settle(self):
        """Fill the queue. Raises where something is none of this part's."""
        refuse_capture(self.device)
        live = [i for i, g in enumerate(self.grads) if g is not None]
        ats = [self.at(i) for i in live]
        with gpu.on(self.device.index):
            launches = self._launches(live, ats)
        counting = [one for i, at in zip(live, ats) for one in self.counting(i, at)]
        self.enqueue([*launches, *counting, self.finish])

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

    # --- the step ---------------------------------------------------------------------------------------------------

    def go_on(self):
        with gpu.on(self.device.index):
            super().go_on()


def refuse_capture(device):
    with torch.cuda.device(device):
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("step must not be captured in a CUDA graph, got a capture: a replay counts no steps")
