"""What an epoch asks of the place of its arrays, on a GPU: everything is queued, and the loss is read at its end."""

import math

import numpy as np
from numba.core.dispatcher import Dispatcher

from ..arrays.libraries import is_on_device, library_of
from ..arrays.returned import number_of
from ..kernels.cuda import gpu, kernels


class Batches:
    """Of these data, to be picked where a batch does not hold them all."""

    def __init__(self, target, loss_and_grad, data, size):
        if isinstance(loss_and_grad, Dispatcher) or gpu.is_kernel(loss_and_grad):
            raise TypeError(
                "loss_and_grad must be a Python function for parameters on the GPU, which queues what computes them, "
                f"got the Numba function {loss_and_grad.__name__}"
            )
        self._target, self._data = target, data
        self._total = gpu.from_host(np.zeros(1))
        self._rows = [Rows(a, size, target) for a in data] if size is not None else []

    def moved(self, order):
        return None if order is None else gpu.from_host(order, self._target.stream(self._data))

    def picked(self, order, start, end):
        if order is None:
            return self._data
        return [rows.picked(order, start, end - start, self._target.stream(self._data)) for rows in self._rows]

    def value(self, loss) -> float:
        """A loss on the device is added up there."""
        must = "loss_and_grad must return the loss as a number, or on the GPU as one float32 or float64, got"
        if not is_on_device(loss):
            return number_of(loss, must)
        place = self._target.numbers("the loss", loss)
        if place.size != 1 or place.dtype not in (np.float32, np.float64):
            raise TypeError(f"{must} shape {place.shape} and dtype {place.dtype}")
        self._target.add(self._total, self._target.flat(place, loss), self._target.stream(self._data))
        return 0.0

    def total(self, values) -> float:
        values += float(gpu.to_host(self._total)[0])
        self._target.fill(self._total, 0.0, self._target.stream(self._data))
        return values


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
