"""What is done with the pieces of a step, in this order: tested, measured, stepped. On the CPU."""

from ..kernels import norms
from ..kernels.counts import LEFT
from ..kernels.modifiers import staged as with_stage


class Steps:
    """For the blocks of an optimiser, with its options and its counts."""

    def __init__(self, rule, blocks, options, counts):
        self._rule, self._counts = rule, counts
        self._threads, self._lanes = options.threads, None
        if options.clip_norm is not None or options.check_finite:
            self._lanes = norms.workspace(max(block.p.size for block in blocks))

    def prepare(self, staged):
        """Make ready for steps with this modifier or without it."""
        self._bound_rule = with_stage(self._rule) if staged else self._rule

    def is_finite(self, pieces) -> bool:
        """Whether all gradients are."""
        return norms.all_finite([piece[2] for piece in pieces], self._lanes, self._threads)

    def factor(self, pieces, clip, bound) -> float:
        """min(1, clip / (norm + 1e-6)) in the unit of scales, of gradients clipped to ±bound."""
        gradients = [piece[2] for piece in pieces]
        return norms.clip_factor(norms.norm(gradients, self._lanes, bound, self._threads), clip)

    def run(self, pieces, t, numbers):
        """Step t, with the numbers that each group's kernels take; what missed some has a count of its own.

        Goes on where it was interrupted: the last kernel counts the step.
        """
        counts = self._counts.address
        for block, p, g, state, missed in pieces[len(pieces) - self._counts.cells[LEFT] :]:
            check(block.run(p, g, state, counts, t - missed, numbers[block.group]))


def check(refused):
    if refused:
        raise AssertionError(f"a checked gradient was refused with code {refused}: please report this")
