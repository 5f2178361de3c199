"""An epoch of training with parameters and examples on a GPU: everything is queued, and the loss is read at its end."""

import math

import numpy as np
from numba.core.dispatcher import Dispatcher

from ..arrays.libraries import STREAMS, is_on_device, library_of
from ..arrays.nests import flatten
from ..errors import describe
from ..kernels.cuda import gpu, kernels
from ..step.inside import layout_of, target_of
from ..targets.packed import Packed, pack
from .epochs import Training, as_arguments, is_number


class DeviceTraining(Training):
    """Gradients and sums are our own arrays, handed to the loss as arrays of the parameters' library."""

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        if isinstance(loss_and_grad, Dispatcher) or gpu.is_kernel(loss_and_grad):
            raise TypeError(
                "loss_and_grad must be a Python function for parameters on the GPU, which queues what computes them, "
                f"got the Numba function {loss_and_grad.__name__}"
            )
        self.blocks, self.target = layout_of(opt), target_of(opt)
        libraries = [library_of(leaf) for _, leaf in flatten((opt.params, data), "")]
        self.library = next((library for library in libraries if library in STREAMS), "")
        with self.target.current():
            super().__init__(loss_and_grad, opt, mean, data, n, batch_size, accumulate)
            self.total = gpu.from_host(np.zeros(1))
            size = min(batch_size, self.n)
            self.rows = [Rows(a, size, self.target) for a in data] if size < self.n else []

    def epoch(self, order) -> float:
        with self.target.current():
            return super().epoch(order)

    def evaluate(self, data, n) -> float:
        with self.target.current():
            return super().evaluate(data, n)

    def _parameters(self, params):
        leaves = [leaf for _, leaf in flatten(params, "")]
        return as_arguments(self.blocks.nest([self._handed_over(leaf) for leaf in leaves]), params)

    def _handed_over(self, leaf):
        """Numba's arrays as those of the library that the caller is in."""
        return self.target.handed_over(self.library, leaf)

    def _gradients(self, params):
        if is_on_device(params):
            place = self.blocks.places[0]
            flat = gpu.from_host(np.zeros(place.size, place.dtype))
            leaves, buffers = [gpu.view(gpu.address_of(flat), place.shape, place.order, place.dtype, flat)], (flat,)
        else:
            zeros = params.zeros_like() if isinstance(params, Packed) else pack(params, _fill=False)
            leaves, buffers = [leaf for _, leaf in flatten(zeros, "")], zeros.buffers
        return self.blocks.nest([self._handed_over(leaf) for leaf in leaves]), buffers

    def _like(self, buffer):
        return gpu.array(buffer.size, buffer.dtype)

    def _moved(self, order):
        return None if order is None else gpu.from_host(order, self._stream())

    def _batch(self, order, start, end):
        if order is None:
            return self.data
        return [rows.picked(order, start, end - start, self._stream()) for rows in self.rows]

    def _clear(self):
        for g in self.buffers:
            self._fill(g)

    def _value(self, loss) -> float:
        """A loss on the device is added up there."""
        if is_number(loss):
            return float(loss)
        place = self.target.numbers("the loss", loss) if is_on_device(loss) else None
        if place is None or place.size != 1 or place.dtype not in (np.float32, np.float64):
            got = f"shape {place.shape} and dtype {place.dtype}" if place else describe(loss)
            raise TypeError(
                f"loss_and_grad must return the loss as a number, or on the GPU as one float32 or float64, got {got}"
            )
        self._add(self.total, gpu.at(place.address, 1, place.dtype), place.dtype)
        return 0.0

    def _read(self, total) -> float:
        total += float(gpu.to_host(self.total)[0])
        self._fill(self.total)
        return total

    def _collect(self, first):
        for g, s in zip(self.buffers, self.sums):
            if first:
                self._fill(s)
            self._add(s, gpu.pointer(g), g.dtype)

    def _finish(self, factor):
        for g, s in zip(self.buffers, self.sums):
            self._fill(g)
            self._add(g, gpu.pointer(s), s.dtype)
        if factor != 1.0:
            for g in self.buffers:
                self._launch(kernels.scale(g.dtype), g, factor)

    def _fill(self, a):
        self._launch(kernels.fill(a.dtype), a, 0.0)

    def _add(self, a, more, dtype):
        self._launch(kernels.add(a.dtype, dtype), a, more)

    def _launch(self, kernel, a, argument):
        if a.size:
            kernel(self._stream(), kernels.blocks(a.size, 1), gpu.pointer(a), a.size, argument)

    def _stream(self):
        """The stream of the caller, where the loss queues its work."""
        return self.target.stream(self.data)

    def copy(self):
        kept = [gpu.array(block.p.size, block.p.dtype) for block in self.blocks.all]
        for a, block in zip(kept, self.blocks.all):
            gpu.copy_in(a, block.p)
        return kept

    def restore(self, kept):
        for a, block in zip(kept, self.blocks.all):
            gpu.copy_in(block.p, a)


class Rows:
    """The examples of a batch in one array of the data: picked into memory that all batches share."""

    def __init__(self, a, size, target):
        place = target.numbers("data", a)
        self.owner, self.library, self.target = (a, place.owner), library_of(a), target
        self.shape, self.dtype = place.shape[1:], place.dtype
        word = min(place.dtype.itemsize, 8)  # bytes that are copied as one
        self.width = math.prod(self.shape) * place.dtype.itemsize // word
        self.word = np.dtype(f"u{word}")
        self.source = gpu.at(place.address, place.shape[0] * self.width, self.word)
        self.memory = gpu.array(size * self.width, self.word)
        self.batches: dict = {}  # by the number of examples

    def picked(self, order, start, count, stream):
        blocks = kernels.blocks(count * self.width, 1)
        if blocks:
            arguments = self.source, gpu.pointer(order), start, count, self.width, gpu.pointer(self.memory)
            kernels.pick(self.word)(stream, blocks, *arguments)
        if count not in self.batches:
            view = gpu.view(gpu.address_of(self.memory), (count, *self.shape), "C", self.dtype, self.memory)
            self.batches[count] = self.target.handed_over(self.library, view)
        return self.batches[count]


def shapes_of(name, arrays, target) -> list:
    """The shapes of arrays with examples along their first axis; raises unless they are on this GPU."""
    shapes = []
    for i, a in enumerate(arrays):
        place = target.beside(f"{name}[{i}]", a, "the parameters", "C")
        if not place.shape:
            raise ValueError(f"{name}[{i}] must have its examples along its first axis, got an array without one")
        shapes.append(place.shape)
    return shapes
