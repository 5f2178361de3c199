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
        told = [k for k, piece in enumerate(pieces) if not sums_itself(piece[0])]
        coefficients = [self._coefficients(pieces[k], t, numbers) for k in told]
        found = np.zeros((len(told), len(self._rule.reduces)))
        for k, c, sums in zip(told, coefficients, found):
            self._add_sums(pieces[k], c, sums)
        extras: list = [()] * len(pieces)
        kept = []
        for k, c, sums in zip(told, coefficients, self._whole(found).tolist()):
            block = pieces[k][0]
            extras[k], new = self._bound_rule.combine(c, tuple(sums), tuple(block.kept.tolist()))
            kept.append((block.kept, new))
        return extras, kept

    def _whole(self, sums):
        """The sums of whole arrays, from those of what is stepped here."""
        return sums

    def _coefficients(self, piece, t, numbers):
        block, p, _, _, missed = piece
        return kernels.coefficients_of(self._bound_rule, p.dtype, t - missed, numbers[block.group])

    def _add_sums(self, piece, c, found):
        block, p, g, state, _ = piece
        kernels.add_sums(self._bound_rule, (p, g, state), c, block.kept.tolist(), found, self._threads)


class StepsOfAll(StepsOfEach):
    """All arrays by their sums together, with the coefficients of the first group."""

    def _told(self, pieces, t, numbers):
        if sums_itself(pieces[0][0]):
            return super()._told(pieces, t, numbers)
        found = np.zeros(len(self._rule.reduces))
        for piece in pieces:
            self._add_sums(piece, self._coefficients(piece, t, numbers), found)
        block = self._first
        c = kernels.coefficients_of(self._bound_rule, block.p.dtype, t, numbers[block.group])
        extra, new = self._bound_rule.combine(c, tuple(self._whole(found).tolist()), tuple(block.kept.tolist()))
        return [extra] * len(pieces), [(block.kept, new)]
