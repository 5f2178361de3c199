"""Tensors of rules with sums on a CUDA device: all are summed there, and each part waits for what its sums are.

On PyTorch's current stream, as the other steps are; what a rule keeps is on the CPU, and so is `combine`.
"""

import numpy as np
import torch

from ..arrays.device import stream_of
from ..kernels.cuda import gpu, kernels, sums
from ..kernels.modifiers import informed
from .gpu import refuse_capture
from .sums import SumsPart

TERMS = sums.AT_A_TIME


class GpuSumsPart(SumsPart):
    def settle(self):
        refuse_capture(self.device)
        with gpu.on(self.device.index):
            kernels.sweep(informed(self.bound), self.numpy_dtype)  # where it does not compile nothing is begun
            super().settle()

    def _arrays(self, i):
        size = self.params[i].numel()
        p, g, *state = (gpu.at(piece.data_ptr(), size, self.numpy_dtype) for piece in self.pieces(i))
        return p, g, tuple(state)

    def _stream(self):
        return gpu.stream(stream_of("torch", self.device.index), self.device.index)

    def add_sums(self, kept, found, threads):
        if self.ones:
            with gpu.on(self.device.index):
                for out, those in zip(found, self._sums(kept)):
                    out += those[: out.size]

    def _sums(self, kept):
        """Of each tensor all sums, as many as are made at a time."""
        rule, dtype, stream = self.spelled.rule, self.numpy_dtype, self._stream()
        sizes = [self.params[one.i].numel() for one in self.ones]
        numbers = self._there([self.coefficients(one.at[0]) for one in self.ones], self.dtype)
        kept = self._there(kept, torch.float64)
        partials = self._there([[0.0] * (TERMS * max(map(kernels.partials, sizes)))], torch.float64)
        totals = self._there([[0.0] * (TERMS * sums.rounds(rule)) for _ in self.ones], torch.float64)
        for (_, _, arrays), size, c, numbers_kept, out in zip(self.ones, sizes, numbers, kept, totals):
            given = *arrays, _at(numbers_kept), (_at(c),)
            for which, count in enumerate([kernels.partials(size)] * sums.rounds(rule) if size else ()):
                add = sums.add(rule, dtype, which, stage=self.stage)
                add(stream, count, given, size, _at(partials[0]))
                sums.total()(stream, 1, _at(partials[0]), count, _at(out[TERMS * which : TERMS * (which + 1)]))
        return self._here(totals)

    def _there(self, rows, dtype):
        return torch.tensor(rows, dtype=dtype, device=self.device)

    def _here(self, t):
        """Waits for what the stream has to do."""
        return t.cpu().numpy()

    # --- the step ---------------------------------------------------------------------------------------------------

    def launches(self, extras, threads):
        with gpu.on(self.device.index):
            return [launch for one, extra in zip(self.ones, extras) for launch in self._launch(one, extra)]

    def _launch(self, one, extra):
        (p, g, state), rule, size = one.arrays, informed(self.bound), self.params[one.i].numel()
        if size:
            given = (rule.coefficients(*one.at, *self.numbers, *extra),)
            sweep = kernels.sweep(rule, self.numpy_dtype)
            yield sweep.ready(self._stream(), kernels.blocks(size), p, g, state, size, given)

    def go_on(self):
        with gpu.on(self.device.index):
            super().go_on()


def _at(t):
    """What kernels take for a row of numbers."""
    return gpu.at(t.data_ptr(), t.numel(), np.dtype(str(t.dtype).removeprefix("torch.")))
