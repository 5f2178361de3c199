"""The gradients of all ranks, added up where they are stepped."""

import numpy as np

from ..arrays.host import check_gradient, flat
from ..arrays.placed import check_writable
from ..kernels import gather
from ..targets.blocks import of_gradient, runs_of
from ..targets.cpu_gradients import Gradients, pieces_of


class GradientsOfAll(Gradients):
    """``place`` is where the parameters are shared; the others as in :class:`Gradients`."""

    def __init__(self, place, names, leaves, blocks, missed, spans):
        super().__init__(names, leaves, blocks, missed, spans)
        self._stretches = place.stretches
        self._sums = [np.zeros(end - begin, s.dtype) for s, _ in self._stretches for begin, end in [s.own]]
        left = dict(zip(dict.fromkeys((block.group, block.p.dtype) for block in blocks), self._sums))
        self._of_blocks = []
        for block in blocks:
            of_one = left[block.group, block.p.dtype]
            self._of_blocks.append(of_one[: block.p.size])
            left[block.group, block.p.dtype] = of_one[block.p.size :]

    def looked_at(self, gradients) -> list:
        """This rank's gradients, as arrays or None; raises at the first that does not fit."""
        i = gather.first_frozen(self._leaves)
        if i < len(self._leaves):
            check_writable(self._names[i], writable=False)
        return [
            g if g is None else check_gradient(of_gradient(name), g, p, self._spans)
            for name, g, p in zip(self._names, gradients, self._leaves)
        ]

    def added_up(self, gradients, absent) -> list:
        """The pieces of the sums of all ranks' gradients, but for those that none of them has."""
        for (stretches, members), sums in zip(self._stretches, self._sums):
            stretches.add_up([None if gradients[i] is None else flat(gradients[i]) for i in members], sums)
        there = [None if i in absent else True for i in range(len(self._leaves))]
        found: list = []
        for block, g in zip(self._blocks, self._of_blocks):
            runs = runs_of(block.members, self._missed, there)
            if runs:
                found += pieces_of(block, g, runs)
        return found

    def first_bad(self) -> str:
        """The name of the first of the sums here that holds a NaN or an Inf."""
        for block, g in zip(self._blocks, self._of_blocks):
            for index, begin, end in block.members:
                if not np.isfinite(g[begin:end]).all():
                    return of_gradient(self._names[index])
        raise AssertionError("a gradient was not finite, and is now: please report this")
