"""How gradients are checked, and what of them each block is stepped with: arrays on a GPU."""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import dlpack
from ..arrays.device import address_of, check_gradient
from ..arrays.libraries import is_numbas, is_on_device
from ..kernels.cuda import gpu, kernels
from .blocks import Block, of_gradient


class Piece(NamedTuple):
    """What one launch is given: ``p``, ``g`` and ``state`` as kernels take them."""

    block: Block
    p: Any
    g: Any
    state: tuple
    size: int
    grid: int  # how many blocks of threads
    owners: list  # what keeps the gradient's memory alive until the launch
    missed: int  # how many steps its arrays were left out of


class Gradients:
    """For the blocks of an optimiser.

    Parameters
    ----------
    target : the GPU
    layout : the parameters (``names``, ``given``, ``places``), their blocks (``all``), ``missed`` and ``spans``
    ordered : whether a step waits, on the device, for the streams that gradients say they are made on
    """

    def __init__(self, target, layout, ordered):
        self._target, self._ordered = target, ordered
        self._places, self._blocks, self._spans = layout.places, layout.all, layout.spans
        self._missed = layout.missed
        self._names = [of_gradient(name) for name in layout.names]
        self._tables: dict[int, Table] = {}
        self._parts: dict = {}
        held = zip(layout.names, layout.given, self._places)
        self._movable = [triple for triple in held if not is_numbas(triple[1])]

    def of_buffers(self, buffers) -> list | None:
        """The pieces of gradients that are packed as the parameters are; None if they must be looked at one by one."""
        if not self._has(buffers):
            return None
        streams, device = self._target.streams, self._target.device
        streams.queue(streams.of_caller(buffers, device), set(), device, self._ordered)
        return [piece for k, g in enumerate(buffers) for piece in self._pieces(k, address_of(g), [g])]

    def pieces(self, gradients: list) -> tuple[list, list[int]]:
        """The pieces of gradients in the order of the parameters, and which of these have None; raises at a misfit."""
        self._check_unmoved()
        if not self._ordered:
            self._check_complete(gradients)
        streams, device = self._target.streams, self._target.device
        handle = streams.of_caller(gradients, device)
        order = handle or 0 if self._ordered else dlpack.UNORDERED
        places = [
            g if g is None else check_gradient(name, g, p, self._spans, order)
            for name, g, p in zip(self._names, gradients, self._places)
        ]
        if gpu.devices() > 1:
            self._check_device(places)
        others = {place.stream for place in places if place is not None} - {None}
        streams.queue(handle, others, device, self._ordered)
        pieces = [piece for k, block in enumerate(self._blocks) for piece in self._of_block(k, block, places)]
        return pieces, [i for i, place in enumerate(places) if place is None]

    def _has(self, buffers):
        """Whether they are on this device."""
        if not all(map(is_on_device, buffers)):
            return False
        return gpu.devices() < 2 or all(gpu.ordinal(address_of(g)) == self._target.device for g in buffers if g.size)

    def _check_device(self, places):
        for name, place in zip(self._names, places):
            where = gpu.ordinal(place.address) if place is not None and place.size else self._target.device
            if where != self._target.device:
                raise ValueError(f"{name} must be on GPU {self._target.device} like its parameter, got GPU {where}")

    def _check_complete(self, gradients):
        """A graph that leaves an array out would count its steps differently from others that do not."""
        missing = [name for name, g in zip(self._names, gradients) if g is None]
        if missing and len(missing) < len(gradients):
            raise ValueError(f"{missing[0]} must be an array with capturable=True, got None")

    def _check_unmoved(self):
        for name, leaf, place in self._movable:
            if address_of(leaf) != place.address:
                raise ValueError(
                    f"{name} must stay in the memory that the optimiser was made with, got another address"
                )

    def _of_block(self, k, block, places):
        here = [(index, places[index], i, j) for index, i, j in block.members if places[index] is not None and j > i]
        if len(here) > 1 and len(here) == sum(j > i for _, i, j in block.members):
            start, size = here[0][1].address, block.p.dtype.itemsize
            if all(place.address == start + i * size for _, place, i, _ in here):  # packed as the parameters are
                address = start
            else:
                address = self._gathered_in(k, block, [member[1:] for member in here])
            return self._pieces(k, address, [place.owner for _, place, _, _ in here])
        return [
            self._piece(k, i, j, gpu.at(place.address, j - i, place.dtype), [place.owner], self._missed[index])
            for index, place, i, j in here
        ]

    def _pieces(self, k, address, owners):
        """A piece for each run of block k, whose gradient is in one piece of memory."""
        dtype = self._blocks[k].p.dtype
        return [
            self._piece(k, i, j, gpu.at(address + i * dtype.itemsize, j - i, dtype), owners, missed)
            for i, j, missed in self._blocks[k].runs
            if j > i
        ]

    def _piece(self, k, i, j, g, owners, missed):
        """Elements i to j of block k."""
        block = self._blocks[k]

        def part(a):
            return gpu.at(address_of(a) + i * a.dtype.itemsize, j - i, a.dtype)

        if (k, i, j) not in self._parts:
            self._parts[k, i, j] = part(block.p), tuple(map(part, block.state)), kernels.blocks(j - i)
        p, state, grid = self._parts[k, i, j]
        return Piece(block, p, g, state, j - i, grid, owners, missed)

    def _gathered_in(self, k, block, here):
        stream = self._target.streams.of_step
        if k not in self._tables:
            self._tables[k] = Table(block, here, stream)
        return self._tables[k].gather([place for place, _, _ in here], stream)


class Table:
    """The addresses of a block's gradients on the device, and the buffer they are gathered in."""

    def __init__(self, block, here, stream):
        self.dtype, self.size, self.count = block.p.dtype, block.p.size, len(here)
        self.starts = gpu.from_host(np.array([i for _, i, _ in here] + [here[-1][2]], np.int64), stream)
        self.buffer = gpu.array(self.size, self.dtype)
        self.address = address_of(self.buffer)
        self.sources = kernels.Addresses(self.count)

    def gather(self, places, stream):
        """Copy gradients into the buffer, in one launch where they are where they were. Returns where that is."""
        sources = self.sources.of([(place.address, place.size, self.dtype) for place in places], stream)
        blocks = kernels.blocks(self.size, 1)
        out = gpu.pointer(self.buffer)
        kernels.gather(self.dtype)(stream, blocks, sources, gpu.pointer(self.starts), self.count, out)
        return self.address
