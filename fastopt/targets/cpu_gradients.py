"""How gradients are checked, and what of them each block is stepped with: NumPy's arrays."""

from typing import Any

import numpy as np

from ..arrays.host import check_gradient, flat
from ..arrays.placed import check_writable
from ..kernels import gather
from .blocks import of_gradient


class Gradients:
    """For the blocks of an optimiser. A piece is ``(block, p, g, state)``: what a kernel is called on.

    Parameters
    ----------
    names, leaves : the parameters
    blocks : list of Block
    spans : the addresses that no gradient may overlap
    """

    def __init__(self, names, leaves, blocks, spans):
        self._names, self._leaves, self._blocks, self._spans = names, leaves, blocks, spans
        self._table: gather.Table | None = None
        self._gathered: list[Any] = []

    def of_buffers(self, buffers) -> list | None:
        """The pieces of gradients that are packed as the parameters are; None if they must be looked at one by one."""
        i = gather.first_frozen(self._leaves)
        if i < len(self._leaves):
            check_writable(self._names[i], writable=False)
        if type(buffers[0]) is not np.ndarray:  # on a GPU
            return None
        return [(block, block.p, g, block.state) for block, g in zip(self._blocks, buffers)]

    def pieces(self, gradients: list) -> list:
        """The pieces of gradients in the order of the parameters, which may be None. Raises if one does not fit."""
        i = gather.first_frozen(self._leaves)
        if i < len(self._leaves):
            check_writable(self._names[i], writable=False)
        if self._table is None:
            self._table = self._prepare_gathering()
        if self._table.accepts(gradients):
            return [
                (block, block.p, buffer if block.packed else flat(gradients[block.members[0][0]]), block.state)
                for block, buffer in zip(self._blocks, self._gathered)
            ]
        gradients = self._checked(gradients)
        return [piece for pair in zip(self._blocks, self._gathered) for piece in self._present(*pair, gradients)]

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

    def _present(self, block, buffer, gradients):
        """One piece for a block, or one per gradient where some are None."""
        here = [(gradients[index], i, j) for index, i, j in block.members]
        if not block.packed:
            return [(block, block.p, flat(g), block.state) for g, _, _ in here if g is not None]
        if all(g is not None for g, _, _ in here):
            return [(block, block.p, buffer, block.state)]
        return [
            (block, block.p[i:j], buffer[i:j], tuple(s[i:j] for s in block.state)) for g, i, j in here if g is not None
        ]
