"""What is done with the pieces of a step, where each rank has some: looked at together, stepped, sent to all."""

import math

import numpy as np

from ..kernels import norms
from ..targets.cpu_steps import Steps
from ..targets.cpu_sums import StepsOfAll, StepsOfEach

PLACE = "opt.step"  # where the ranks meet


def steps_of(rule):
    """The kind of steps that a rule takes."""
    return OfAllRanks if not rule.reduces else SharesOfAll if rule.across else SharesOfEach


class OfAllRanks(Steps):
    """``place`` is where the parameters are shared."""

    def __init__(self, rule, layout, options, place):
        super().__init__(rule, layout.all, options, layout.counts)
        self._leaves, self._gradients, self._place = layout.leaves, layout.gradients, place
        self._ranks, self._raises = place.ranks, options.check_finite is True

    def is_finite(self, pieces) -> bool:
        """Whether the sums on all ranks are; raises where that is asked for."""
        mine = super().is_finite(pieces)
        if not self._ranks.meet(PLACE, mark=not mine)["mark"].any():
            return True
        if self._raises:
            named = next(filter(None, self._ranks.texts("" if mine else self._gradients.first_bad())))
            raise ValueError(f"grads must be finite, got NaN or Inf in {named}, summed over the ranks")
        return False

    def factor(self, pieces, clip, bound) -> float:
        root, unit = norms.norm([piece[2] for piece in pieces], self._lanes, bound, self._threads)
        return norms.clip_factor(_together(self._ranks.gathered(np.array([root, unit]))), clip)

    def run(self, pieces, t, numbers):
        super().run(pieces, t, numbers)
        self._place.spread(self._leaves)

    def _whole(self, sums):
        return self._ranks.added(sums)


def _together(norms_of_ranks):
    """The norm of all, as a number and the power of 2 that it is to be divided by, from those of parts."""
    roots, units = norms_of_ranks.T
    unit = float(units.min())
    return (math.nan if np.isnan(roots).any() else math.hypot(*(roots * (unit / units)))), unit


class SharesOfEach(OfAllRanks, StepsOfEach):
    pass


class SharesOfAll(OfAllRanks, StepsOfAll):
    pass
