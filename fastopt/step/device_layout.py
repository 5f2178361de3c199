"""Blocks of parameters on a GPU: what kernels take, and how gradients on the device are matched to them."""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import dlpack
from ..arrays.device import address_of, check_gradient, check_parameter, device_of, placed, stream_of
from ..arrays.libraries import STREAMS, is_numbas, is_on_device, library_of
from ..kernels.cuda import gpu, kernels
from ..targets.packed import Packed
from .layout import Block, Blocks, of_gradient


class Piece(NamedTuple):
    """What one launch is given: ``p``, ``g`` and ``state`` as kernels take them."""

    block: Block
    p: Any
    g: Any
    state: tuple
    size: int
    owners: list  # what keeps the gradient's memory alive until the launch


class DeviceBlocks(Blocks):
    """As :class:`Blocks`, with Numba device arrays over the parameters' memory as leaves.

    Attributes
    ----------
    device : the index of the GPU that all arrays are on
    ordered : whether a step waits, on the device, for the streams that gradients say they are made on
    """

    def __init__(self, *args):
        self.device = 0
        self._places: list = []
        self._originals: list = []
        self._library, self.ordered = "", True
        self._handle: int | None = None  # of the stream of the last step
        super().__init__(*args)
        self._tables: dict[int, Table] = {}
        self._parts: dict = {}
        held = zip(self.names, self._originals, self._places)
        self._movable = [triple for triple in held if not is_numbas(triple[1])]

    def _taken(self, name, leaf):
        place = check_parameter(name, leaf)
        if place.size:
            device = device_of(name, place) or 0
            if any(p.size for p in self._places) and device != self.device:
                raise ValueError(f"{name} must be on GPU {self.device} like the other arrays, got GPU {device}")
            self.device = device
        if not self._library and library_of(leaf) in STREAMS:
            self._library = library_of(leaf)
        self._places.append(place)
        self._originals.append(leaf)
        return gpu.view_of(place, leaf)

    def _full(self, like, value):
        with gpu.on(self.device):
            return kernels.full(like.size, like.dtype, value, self.stream_of_caller(()))

    def _flat_of(self, index):
        place = self._places[index]
        return gpu.view(place.address, (place.size,), "C", place.dtype, self._originals[index])

    def _span(self, a):
        start = address_of(a)
        return start, start + a.size * a.dtype.itemsize

    def bind(self, staged):
        """On the device the optimiser picks kernels: they depend on more than the block."""

    def stream(self):
        """The stream of the step, as kernels take it."""
        return gpu.stream(self._handle or 0, self.device)

    def stream_of_caller(self, leaves):
        """The stream that the caller is on, as kernels take it."""
        return gpu.stream(self._current(leaves) or 0, self.device)

    def _current(self, leaves) -> int | None:
        """The handle of the caller's stream: of the parameters' library, else of the gradients', else as they say."""
        library = self._library or next((lib for lib in map(library_of, leaves) if lib in STREAMS), "")
        if library:
            return stream_of(library, self.device)
        return next((place.stream for place in self._places if place.stream is not None), None)

    # --- gradients -------------------------------------------------------------------------------------------------

    def pieces(self, grads) -> list:
        if self._packed is not None and isinstance(grads, Packed) and grads is not self._packed:
            layout, buffers = self._packed.layout, grads.buffers
            if (grads.layout is layout or grads.layout == layout) and self._has(buffers):
                self._queue(self._current(buffers), set())
                return [
                    self._piece(k, 0, g.size, gpu.at(address_of(g), g.size, g.dtype), [g])
                    for k, g in enumerate(buffers)
                    if g.size
                ]
        self._check_unmoved()
        leaves = self._match(grads)
        handle = self._current(leaves)
        order = handle or 0 if self.ordered else dlpack.UNORDERED
        places = [
            g if g is None else self._gradient(of_gradient(name), g, p, order)
            for name, g, p in zip(self.names, leaves, self._places)
        ]
        self._queue(handle, {place.stream for place in places if place is not None} - {None})
        return [piece for k, block in enumerate(self.all) for piece in self._of_block(k, block, places)]

    def holds_any(self, grads):
        """Whether there is a gradient at all."""
        return any(g is not None for g in self._match(grads))

    def _has(self, buffers):
        """Whether they are on this device."""
        if not all(map(is_on_device, buffers)):
            return False
        return gpu.devices() < 2 or all(gpu.ordinal(address_of(g)) == self.device for g in buffers if g.size)

    def _queue(self, handle, others):
        """Choose the stream of the step, and let it wait for the others that gradients are made on."""
        before, self._handle = self._handle, min(others, default=0) if handle is None else handle
        if self.ordered:
            for other in sorted(others | ({before} - {None, self._handle})):  # and for the step before
                gpu.wait(self._handle, other, self.device)

    def _gradient(self, name, g, p, stream):
        place = check_gradient(name, g, p, self._spans, stream)
        if gpu.devices() > 1 and place.size and gpu.ordinal(place.address) != self.device:
            where = gpu.ordinal(place.address)
            raise ValueError(f"{name} must be on GPU {self.device} like its parameter, got GPU {where}")
        return place

    def _check_unmoved(self):
        for name, leaf, place in self._movable:
            if address_of(leaf) != place.address:
                raise ValueError(
                    f"{name} must stay in the memory that the optimiser was made with, got another address"
                )

    def _of_block(self, k, block, places):
        here = [(places[index], i, j) for index, i, j in block.members if places[index] is not None and j > i]
        if len(here) > 1 and len(here) == sum(j > i for _, i, j in block.members):
            start, size = here[0][0].address, block.p.dtype.itemsize
            if all(place.address == start + i * size for place, i, _ in here):  # they are packed as the parameters are
                g = gpu.at(start, block.p.size, block.p.dtype)
            else:
                g = self._gathered_in(k, block, here)
            return [self._piece(k, 0, block.p.size, g, [place.owner for place, _, _ in here])]
        return [self._piece(k, i, j, gpu.at(place.address, j - i, place.dtype), [place.owner]) for place, i, j in here]

    def _piece(self, k, i, j, g, owners):
        """Elements i to j of block k."""
        block = self.all[k]

        def part(a):
            return gpu.at(address_of(a) + i * a.dtype.itemsize, j - i, a.dtype)

        if (k, i, j) not in self._parts:
            self._parts[k, i, j] = part(block.p), tuple(map(part, block.state))
        p, state = self._parts[k, i, j]
        return Piece(block, p, g, state, j - i, owners)

    def _gathered_in(self, k, block, here):
        if k not in self._tables:
            self._tables[k] = Table(block, here, self.stream())
        return self._tables[k].gather([place for place, _, _ in here], self.stream())

    def first_not_finite(self, grads) -> str:
        for name, g in zip(self.names, self._match(grads)):
            if g is not None and not np.isfinite(gpu.to_host(gpu.view_of(placed(name, g), g))).all():
                return of_gradient(name)
        raise AssertionError("a gradient was not finite, and is now: please report this")

    # --- state -----------------------------------------------------------------------------------------------------

    def copies(self, slot: int):
        return self.nest([gpu.to_host(view) for view in self.state_leaves(slot)])

    def state_leaves(self, slot: int) -> list:
        found = {}
        for block in self.all:
            a = block.state[slot]
            for index, i, _ in block.members:
                place = self._places[index]
                start = address_of(a) + i * a.dtype.itemsize if place.size else 0
                found[index] = gpu.view(start, place.shape, place.order, place.dtype, a)
        return [found[index] for index in range(len(self.leaves))]

    def host_leaves(self) -> list:
        return [gpu.to_host(leaf) for leaf in self.leaves]

    def _write(self, view, a):
        gpu.copy_in(view, a)


class Table:
    """The addresses of a block's gradients on the device, and the buffer they are gathered in."""

    def __init__(self, block, here, stream):
        self.dtype, self.size, self.count = block.p.dtype, block.p.size, len(here)
        self.starts = gpu.from_host(np.array([i for _, i, _ in here] + [here[-1][2]], np.int64), stream)
        self.buffer = gpu.array(self.size, self.dtype)
        self.sources = kernels.Addresses(self.count)

    def gather(self, places, stream):
        """Copy gradients into the buffer, in one launch where they are where they were."""
        sources = self.sources.of([(place.address, place.size, self.dtype) for place in places], stream)
        out = gpu.pointer(self.buffer)
        blocks = kernels.blocks(self.size, 1)
        kernels.gather(self.dtype)(stream, blocks, sources, gpu.pointer(self.starts), self.count, out)
        return out
