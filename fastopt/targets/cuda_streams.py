"""The streams of a GPU that work is queued on: the caller's, and what it must wait for."""

from typing import Any

from ..arrays.device import stream_of
from ..arrays.libraries import STREAMS, library_of
from ..kernels.cuda import gpu


class Streams:
    """Of arrays that belong together, by the handles of the streams.

    Attributes
    ----------
    of_step : the stream of the last step, as kernels take it
    """

    def __init__(self):
        self._library = ""  # of the first array whose library has a current stream
        self._named: int | None = None  # by the first array that names one
        self._handle: int | None = None  # of the last step
        self.of_step: Any = None

    def note(self, place, a):
        """Learn from an array whose stream counts."""
        if not self._library and library_of(a) in STREAMS:
            self._library = library_of(a)
        if self._named is None:
            self._named = place.stream

    def of_caller(self, leaves, device) -> int | None:
        """The stream the caller is on: of the arrays' library, else of that of the leaves, else as an array says."""
        library = self._library or next((lib for lib in map(library_of, leaves) if lib in STREAMS), "")
        return stream_of(library, device) if library else self._named

    def queue(self, handle, others, device, ordered):
        """Choose the stream of a step, and where it is ordered let it wait for those that gradients are made on."""
        before, self._handle = self._handle, min(others, default=0) if handle is None else handle
        if self._handle != before:
            self.of_step = gpu.stream(self._handle or 0, device)
        if ordered:
            for other in sorted(others | ({before} - {None, self._handle})):  # and for the step before
                gpu.wait(self._handle, other, device)
