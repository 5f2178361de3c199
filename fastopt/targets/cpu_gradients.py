"""How gradients are checked, and what of them each block is stepped with: NumPy's arrays."""

from typing import Any

import numpy as np

from ..arrays.host import check_gradient, flat
from ..arrays.placed import check_writable
from ..kernels import gather
from .blocks import of_gradient, runs_of


class Gradients:
    """For the blocks of an optimiser. A piece is ``(block, p, g, state, missed)``: what a kernel is called on, and how
    many steps its arrays have missed.

    Parameters
    ----------
    names, leaves : the parameters
    blocks : list of Block
    missed : how many steps each parameter was left out of
    spans : the addresses that no gradient may overlap
    """

    def __init__(self, names, leaves, blocks, missed, spans):
        self._names, self._leaves, self._blocks, self._missed, self._spans = names, leaves, blocks, missed, spans
        self._table: gather.Table | None = None
        self._gathered: list[Any] = []

    def of_buffers(self, buffers) -> list | None:
        """The pieces of gradients that are packed as the parameters are; None if they must be looked at one by one."""
        i = gather.first_frozen(self._leaves)
        if i < len(self._leaves):
            check_writable(self._names[i], writable=False)
        if type(buffers[0]) is not np.ndarray:  # on a GPU
            return None
        return [piece for block, g in zip(self._blocks, buffers) for piece in pieces_of(block, g, block.runs)]

    def of_own(self, gradients: list) -> list:
        """The pieces of arrays of ours, made to fit blocks of one array each: compiling a look at them takes long."""
        for name, leaf in zip(self._names, self._leaves):
            check_writable(name, leaf.flags.writeable)
        return [
            piece
            for block in self._blocks
            for piece in pieces_of(block, flat(gradients[block.members[0][0]]), block.runs)
        ]

    def pieces(self, gradients: list) -> tuple[list, list[int]]:
        """The pieces of gradients in the order of the parameters, and which of these have None; raises at a misfit."""
        i = gather.first_frozen(self._leaves)
        if i < len(self._leaves):
            check_writable(self._names[i], writable=False)
        if self._table is None:
            self._table = self._prepare_gathering()
        absent: list[int] = []
        if not self._table.accepts(gradients):
            gradients = self._checked(gradients)
            absent = [i for i, g in enumerate(gradients) if g is None]
        found: list = []
        for block, buffer in zip(self._blocks, self._gathered):
            if not absent and block.missed is not None:
                g = buffer if block.packed else flat(gradients[block.members[0][0]])
                found.append((block, block.p, g, block.state, block.missed))
                continue
            runs = runs_of(block.members, self._missed, gradients)
            if runs:
                found += pieces_of(block, buffer if block.packed else flat(gradients[block.members[0][0]]), runs)
        return found, absent

    def _prepare_gathering(self) -> gather.Table:
        """Make the buffers that packed parameters' gradients are gathered in, and the table they are checked by."""
        self._gathered = [np.empty_like(block.p) if block.packed else None for block in self._blocks]
        targets = [0] * len(self._leaves)
        for block, buffer in zip(self._blocks, self._gathered):
            for i, start, _ in block.members if block.packed else ():
                targets[i] = buffer.ctypes.data + start * buffer.itemsize
        return gather.Table(self._leaves, targets, self._spans)

    def _checked(self, gradients) -> list:
        """Arrays or None, after NumPy's way of what ``Table.accepts`` does; raises at the first fault."""
        gradients = [
            g if g is None else check_gradient(of_gradient(name), g, p, self._spans)
            for name, g, p in zip(self._names, gradients, self._leaves)
        ]
        for block, buffer in zip(self._blocks, self._gathered):
            for i, start, end in block.members if block.packed else ():
                if gradients[i] is not None:
                    buffer[start:end] = flat(gradients[i])
        return gradients


def pieces_of(block, g, runs):
    """One piece for each run of a block."""
    if block.missed is not None and len(runs) == 1 and runs[0][1] - runs[0][0] == block.p.size:
        return ((block, block.p, g, block.state, block.missed),)
    return [(block, block.p[i:j], g[i:j], tuple(s[i:j] for s in block.state), missed) for i, j, missed in runs]
