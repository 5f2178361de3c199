"""The place of NumPy's arrays."""

import contextlib
from functools import partial

import numpy as np

from ..arrays import host
from ..arrays.placed import Placed, check_like, check_writable
from ..errors import describe
from ..kernels import cpu as kernels
from ..kernels import sums
from .available import require
from .cpu_gradients import Gradients
from .cpu_steps import Steps
from .cpu_sums import StepsOfAll, StepsOfEach
from .cpu_training import Batches
from .whole import Whole

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Cpu(Whole):
    """The memory of this machine; what it offers is described in places.py."""

    is_gpu = False

    # --- what an array is ------------------------------------------------------------------------------------------

    def describe(self, name, a) -> Placed:
        """Where an array is; raises unless it is one piece of memory that kernels can read."""
        return host.placed(name, a)

    def parameter(self, name, a) -> Placed:
        """Where an array is; raises unless it can be stepped in place."""
        place = self.describe(name, a)
        check_writable(name, place.writable)
        return place

    def array(self, place, a):
        """A described array as kernels take it."""
        return a

    def flat(self, place, a):
        """The same in one dimension, over the same memory."""
        return host.flat(a)

    def handed_over(self, library, a):
        """An array for code of this library's."""
        return a

    # --- memory ----------------------------------------------------------------------------------------------------

    def zeros(self, size, dtype):
        """A flat array, aligned."""
        raw = np.zeros(size * dtype.itemsize + ALIGNMENT, np.uint8)
        start = -raw.__array_interface__["data"][0] % ALIGNMENT
        return raw[start : start + size * dtype.itemsize].view(dtype)

    def full(self, size, dtype, value):
        return np.full(size, value, dtype)

    def empty(self, size, dtype):
        return np.empty(size, dtype)

    def view(self, buffer, start, end, shape, order):
        """A part of a flat array in this shape and order."""
        return buffer[start:end].reshape(shape, order=order)

    def span(self, a) -> tuple[int, int]:
        """The addresses of a contiguous array's first byte and of the byte after its last."""
        return host.span(a)

    def write(self, view, a):
        """Copy an array of this place, or of NumPy, into one of this place."""
        view[...] = a

    def assign(self, name, view, a):
        """The same; raises unless the array fits."""
        host.check_kind(name, a)
        check_like(name, a, view)
        view[...] = a

    def copy_to_host(self, a):
        """A new NumPy array of the same contents."""
        return a.copy(order="K")

    def on_host(self, name, a):
        """The contents of any array as a NumPy array, which may be the array itself."""
        return a

    # --- sums, of flat arrays --------------------------------------------------------------------------------------

    def fill(self, a, value, stream=None):
        a.fill(value)

    def add(self, out, more, stream=None):
        np.add(out, more, out=out)

    def copy(self, out, more, stream=None):
        np.copyto(out, more)

    def scale(self, a, factor, stream=None):
        a *= factor

    # --- order -----------------------------------------------------------------------------------------------------

    def current(self):
        """A context in which this is the current device."""
        return contextlib.nullcontext()

    def within(self, function):
        """The function, to be run in that context."""
        return function

    def stream(self, leaves=()):
        """The stream that the caller is on, as kernels take it; ``leaves`` are arrays of the caller's."""

    def finish(self):
        """Wait until all is done that was queued here."""

    # --- steps -----------------------------------------------------------------------------------------------------

    def check_options(self, options):
        if options.device == "cuda":
            require("device='cuda'")
            raise TypeError(
                "params must be on the GPU with device='cuda', got NumPy arrays: fastopt.to_device moves them"
            )
        if options.capturable:
            raise ValueError("capturable must be False for NumPy arrays, got True: CUDA graphs replay steps on a GPU")

    def sweep(self, rule, block, staged, options):
        """What steps a block; one call, too, where the sums are over it alone, and threads would not pay."""
        p, parallel, threads = block.p, options.parallel, options.threads
        run = kernels.step(rule, p.dtype, p.size, stage=staged, parallel=parallel, threads=threads)
        if block.alone and run is kernels.kernel(rule, p.dtype, stage=staged):
            return partial(sums.step(rule, p.dtype, stage=staged), block.kept)
        return run

    def gradients(self, layout, options) -> Gradients:
        return Gradients(layout.names, layout.leaves, layout.all, layout.missed, layout.spans)

    def steps(self, rule, layout, options) -> Steps:
        kind = Steps if not rule.reduces else StepsOfAll if rule.across else StepsOfEach
        return kind(rule, layout.all, options, layout.counts)

    # --- training --------------------------------------------------------------------------------------------------

    def examples(self, name, a) -> tuple[int, ...]:
        """The shape of an array with examples along its first axis; raises unless it is one."""
        host.refuse_device(name, a)
        if not isinstance(a, np.ndarray) or a.ndim == 0:
            wanted = f"{name} must be an array with the examples along its first axis"
            raise TypeError(f"{wanted}, got {describe(a)}{host.remedy(a)}")
        return a.shape

    def is_untouched(self, a) -> bool:
        """Whether an array holds nothing but -0.0."""
        return a.size > 0 and not a.any() and bool(np.signbit(a).all())

    def batches(self, loss_and_grad, data, size=None) -> Batches:
        """Batches of the data, of this size if they do not hold them all."""
        return Batches(loss_and_grad, data, size)
