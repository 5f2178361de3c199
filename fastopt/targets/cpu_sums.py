"""Steps of rules with sums on the CPU: summed, combined, stepped.

Sums are taken once, before the first array is written; what is kept is written when the last one was: so a step goes on
where it was interrupted.
"""

import numpy as np

from ..kernels import sums as kernels
from ..kernels.counts import LEFT
from .blocks import sums_itself
from .cpu_steps import Steps, check


class StepsOfEach(Steps):
    """Each array by its own sums. A piece is a whole array; what is not parallel sums in the call that steps."""

    def __init__(self, rule, blocks, options, counts):
        super().__init__(rule, blocks, options, counts)
        self._first = blocks[0]
        # Of the step on its way what each piece's kernel takes behind the rule's own numbers, and what is kept where.
        self._extras: list = []
        self._kept: list = []

    def run(self, pieces, t, numbers):
        left, counts = self._counts.cells[LEFT], self._counts.address
        if left == len(pieces):
            self._extras, self._kept = self._told(pieces, t, numbers)
        for (block, p, g, state, missed), extra in list(zip(pieces, self._extras))[len(pieces) - left :]:
            check(block.run(p, g, state, counts, t - missed, (*numbers[block.group], *extra)))
        for kept, new in self._kept:
            kept[:] = new

    def _told(self, pieces, t, numbers):
        combined = [None if sums_itself(piece[0]) else self._of_one(piece, t, numbers) for piece in pieces]
        kept = [(piece[0].kept, told[1]) for piece, told in zip(pieces, combined) if told is not None]
        return [() if told is None else told[0] for told in combined], kept

    def _of_one(self, piece, t, numbers):
        c, found = self._coefficients(piece, t, numbers), self._no_sums()
        self._add_sums(piece, c, found)
        return self._bound_rule.combine(c, tuple(found.tolist()), tuple(piece[0].kept.tolist()))

    def _coefficients(self, piece, t, numbers):
        block, p, _, _, missed = piece
        return kernels.coefficients_of(self._bound_rule, p.dtype, t - missed, numbers[block.group])

    def _no_sums(self):
        return np.zeros(len(self._rule.reduces))

    def _add_sums(self, piece, c, found):
        block, p, g, state, _ = piece
        kernels.add_sums(self._bound_rule, (p, g, state), c, block.kept.tolist(), found, self._threads)


class StepsOfAll(StepsOfEach):
    """All arrays by their sums together, with the coefficients of the first group."""

    def _told(self, pieces, t, numbers):
        if sums_itself(pieces[0][0]):
            return super()._told(pieces, t, numbers)
        found = self._no_sums()
        for piece in pieces:
            self._add_sums(piece, self._coefficients(piece, t, numbers), found)
        block = self._first
        c = kernels.coefficients_of(self._bound_rule, block.p.dtype, t, numbers[block.group])
        extra, new = self._bound_rule.combine(c, tuple(found.tolist()), tuple(block.kept.tolist()))
        return [extra] * len(pieces), [(block.kept, new)]
