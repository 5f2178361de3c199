"""The place of arrays on an NVIDIA GPU, of whichever library. Needs CUDA: imported only where there are such arrays."""

import numpy as np

from ..arrays import device
from ..arrays.libraries import as_array_of, is_numbas
from ..arrays.placed import Placed, check_contiguous, check_like, check_writable
from ..errors import describe
from ..kernels.cuda import gpu, kernels
from .cuda_gradients import Gradients
from .cuda_steps import Steps
from .cuda_streams import Streams
from .cuda_sums import StepsBySums
from .cuda_training import Batches
from .whole import Whole

GLANCE = 4096  # elements


class Cuda(Whole):
    """One GPU: that of the first array described. Our own arrays are Numba's.

    Attributes
    ----------
    device : the GPU's index
    streams : on which work is queued
    """

    is_gpu = True

    def __init__(self):
        self.device, self._adopted = 0, False
        self.streams = Streams()

    # --- what an array is ------------------------------------------------------------------------------------------

    def describe(self, name, a) -> Placed:
        """Where an array is; raises unless it is one piece of memory here that kernels can read."""
        place = device.placed(name, a)
        check_contiguous(name, place.order, device.STRIDED)
        self.adopt(name, place, a)
        return place

    def parameter(self, name, a) -> Placed:
        """Where an array is; raises unless it can be stepped in place."""
        place = self.describe(name, a)
        check_writable(name, place.writable)
        return place

    def adopt(self, name, place, a):
        """Raise unless an array is where the others are: on this GPU, which is that of the first one with elements."""
        if place.size:
            home = device_of(name, place) or 0
            if self._adopted and home != self.device:
                raise ValueError(f"{name} must be on GPU {self.device} like the other arrays, got GPU {home}")
            self.device, self._adopted = home, True
        self.streams.note(place, a)

    def beside(self, name, a, others, orders="CF") -> Placed:
        """Where a contiguous array of any numbers is; raises unless it is on this GPU, as the others are."""
        device.check_on_device(name, a, others)
        place = device.placed_numbers(name, a, orders)
        home = device_of(name, place)
        if home not in (None, self.device):
            raise ValueError(f"{name} must be on GPU {self.device} like {others}, got GPU {home}")
        return place

    def numbers(self, name, a, orders="CF") -> Placed:
        """Where a contiguous array of any numbers is, on any GPU."""
        place = device.placed_numbers(name, a, orders)
        device_of(name, place)
        return place

    def array(self, place, a):
        """A described array as kernels take it."""
        return gpu.view_of(place, a)

    def flat(self, place, a):
        """The same in one dimension, over the same memory."""
        return gpu.view(place.address, (place.size,), "C", place.dtype, (a, place.owner))

    def handed_over(self, library, a):
        """An array for code of this library's: ours as one of the library's, any other as it is."""
        return as_array_of(library, a, self.device) if is_numbas(a) else a

    # --- memory ----------------------------------------------------------------------------------------------------

    def zeros(self, size, dtype):
        """A flat array."""
        with self.current():
            return gpu.from_host(np.zeros(size, dtype))

    def full(self, size, dtype, value):
        """The same, filled on the caller's stream."""
        with self.current():
            return kernels.full(size, dtype, value, self.stream())

    def empty(self, size, dtype):
        with self.current():
            return gpu.array(size, dtype)

    def view(self, buffer, start, end, shape, order):
        """A part of a flat array in this shape and order."""
        address = device.address_of(buffer) + start * buffer.dtype.itemsize if end > start else 0
        return gpu.view(address, shape, order, buffer.dtype, buffer)

    def span(self, a) -> tuple[int, int]:
        """The addresses of a contiguous array's first byte and of the byte after its last."""
        start = device.address_of(a)
        return start, start + a.size * a.dtype.itemsize

    def write(self, view, a):
        """Copy an array of this place, or of NumPy, into one of this place."""
        gpu.copy_in(view, a)

    def assign(self, name, view, a):
        """The same; raises unless the array fits. It may be on another GPU."""
        place = device.placed(name, a)
        check_contiguous(name, place.order, device.STRIDED)
        check_like(name, place, view)
        self.write(view, self.array(place, a))

    def copy_to_device(self, a):
        """A NumPy array copied to the current GPU."""
        return gpu.from_host(a)

    def copy_to_host(self, a):
        """A new NumPy array of the same contents."""
        return gpu.to_host(a)

    def on_host(self, name, a):
        """The contents of any array as a NumPy array."""
        return gpu.to_host(gpu.view_of(device.placed(name, a), a))

    # --- sums, of flat arrays --------------------------------------------------------------------------------------

    def fill(self, a, value, stream=None):
        self._launch(kernels.fill(a.dtype), a, value, stream)

    def add(self, out, more, stream=None):
        self._launch(kernels.add(out.dtype, more.dtype), out, gpu.pointer(more), stream)

    def copy(self, out, more, stream=None):
        self.fill(out, 0.0, stream)
        self.add(out, more, stream)

    def scale(self, a, factor, stream=None):
        self._launch(kernels.scale(a.dtype), a, factor, stream)

    def _launch(self, kernel, a, argument, stream):
        if a.size:
            stream = self.stream() if stream is None else stream
            kernel(stream, kernels.blocks(a.size, 1), gpu.pointer(a), a.size, argument)

    # --- order -----------------------------------------------------------------------------------------------------

    def current(self):
        """A context in which this is the current device."""
        return gpu.on(self.device)

    def within(self, function):
        """The function, to be run in that context."""

        def run(*args):
            with gpu.on(self.device):
                return function(*args)

        return run

    def stream(self, leaves=()):
        """The stream that the caller is on, as kernels take it; ``leaves`` are arrays of the caller's."""
        return gpu.stream(self.streams.of_caller(leaves, self.device) or 0, self.device)

    def finish(self):
        """Wait until all is done that was queued here."""
        with self.current():
            gpu.finish()

    # --- steps -----------------------------------------------------------------------------------------------------

    def check_options(self, options):
        if options.device == "cpu":
            raise ValueError("params must be NumPy arrays with device='cpu', got arrays on the GPU")
        for name, value in (("parallel", options.parallel), ("threads", options.threads)):
            if value is not None:
                raise ValueError(f"{name} must be None for arrays on the GPU, got {describe(value)}")

    def sweep(self, rule, block, staged, options):
        """The kernel that steps a block."""
        with self.current():
            held, scaled = options.capturable, options.clip_norm is not None
            return kernels.sweep(rule, block.p.dtype, stage=staged, held=held, scaled=scaled)

    def gradients(self, layout, options) -> Gradients:
        return Gradients(self, layout, ordered=not options.capturable)  # a graph holds no work of other streams

    def steps(self, rule, layout, options) -> Steps:
        kind = StepsBySums if rule.reduces else Steps
        return kind(self, rule, layout.all, options, layout.counts)

    # --- training --------------------------------------------------------------------------------------------------

    def examples(self, name, a) -> tuple[int, ...]:
        """The shape of an array with examples along its first axis; raises unless it is one, on this GPU."""
        place = self.beside(name, a, "the parameters", "C")
        if not place.shape:
            raise ValueError(f"{name} must have its examples along its first axis, got an array without one")
        return place.shape

    def is_untouched(self, a) -> bool:
        """Whether an array of ours holds nothing but -0.0; what holds something else mostly shows it at its start."""
        flat, size = gpu.view(device.address_of(a) if a.size else 0, (a.size,), "C", a.dtype, a), a.size
        for start, end in ((0, min(size, GLANCE)), (min(size, GLANCE), size)):
            part = gpu.to_host(self.view(flat, start, end, (end - start,), "C")) if end > start else np.zeros(0)
            if part.any() or not np.signbit(part).all():
                return False
        return size > 0

    def batches(self, loss_and_grad, data, size=None) -> Batches:
        """Batches of the data, of this size if they do not hold them all."""
        return Batches(self, loss_and_grad, data, size)


def device_of(name, place) -> int | None:
    """The GPU that an array is on, None for one of size 0; raises if it is on none."""
    home = gpu.ordinal(place.address) if place.size else None
    if place.size and home is None:
        raise ValueError(f"{name} must be in the memory of a GPU, got an address that is on none")
    return home
