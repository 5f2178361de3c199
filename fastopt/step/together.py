"""Steps of optimisers that are on several ranks: all of them step, by the sum of their gradients, or none does."""

from typing import Any

import numpy as np

from ..arrays.host import flat
from ..distributed.functions import seen
from ..distributed.ranks import number_of
from ..distributed.shared_steps import PLACE as STEP_PLACE
from ..distributed.signals import postponed
from ..errors import spell
from ..kernels.counts import ALONE, HELD, ONE_AT_A_TIME, T
from .attributes import CHANGEABLE
from .held import STEP, refusal
from .stepping import Stepping

PLACE = "the constructor"


class Together(Stepping):
    """Where the ranks meet, and what they tell each other."""

    __slots__ = ("_ranks",)
    _ranks: Any

    def _apply_together(self, grads):
        """A step on all ranks; signals wait until it is done, as the other ranks would wait for this one."""
        ranks, cells = self._ranks, self._cells
        with postponed():
            with ranks.telling(STEP_PLACE):
                self._claim()
            try:
                with ranks.telling(STEP_PLACE):
                    found = self._hyper_at(cells[T] + 1)
                    gradients = self._layout.gradients.looked_at(self._layout.matched(grads))
                absent = self._agree(found, gradients)
                if len(absent) < len(gradients):
                    pieces = self._layout.gradients.added_up(gradients, absent)
                    self._step(pieces, absent, grads, found)
            finally:
                cells[HELD] = 0

    def _claim(self):
        cells = self._cells
        if cells[HELD] or cells[ALONE]:
            raise RuntimeError(refusal(cells) if cells[HELD] else ONE_AT_A_TIME)
        cells[HELD] = STEP

    def _agree(self, found, gradients) -> list[int]:
        """Which parameters no rank has a gradient of; raises on all ranks where they do not step in the same way."""
        ranks, lacks = self._ranks, any(g is None for g in gradients)
        numbers = number_of(repr((self._cells[T], found, self._scale, self._bound, self._options[1:4])))
        told = ranks.meet(STEP_PLACE, numbers, mark=lacks)
        if (told["seen"] != told["seen"][0]).any():
            ranks.same(STEP_PLACE, self._numbers_by_name(found))
        if not told["mark"].all():  # one has all
            return []
        there = ranks.gathered(np.array([g is not None for g in gradients]))
        return np.flatnonzero(~there.any(axis=0)).tolist()

    def _numbers_by_name(self, found) -> dict:
        """What must be the same on all ranks in a step, by name."""
        options = self._options
        told = {"t": str(self._cells[T])}
        told |= {name: repr(getattr(options, name)) for name in CHANGEABLE}
        return told | self._by_group([dict(zip(self._rule.hyper, h)) | {"weight_decay": decay} for h, decay in found])

    def _by_group(self, numbers) -> dict:
        """The numbers of each group as texts, by name."""
        where = [f" of group {k}" if self._grouped else "" for k in range(len(numbers))]
        return {f"{name}{of}": repr(number) for of, own in zip(where, numbers) for name, number in own.items()}

    def _check_same(self):
        """Raise on all ranks unless this optimiser is the same on all of them."""
        layout, rule, options = self._layout, self._rule, self._options
        places = [f"{name} {spell(p.shape)} {p.dtype} {p.order}" for name, p in zip(layout.names, layout.places)]
        told = {"rule": rule.name, "the equations of the rule": f"{seen(rule)}"}
        told |= {"the number of groups": str(len(self._hyper)), "the arrays of params": ", ".join(places)}
        told |= {name: repr(getattr(options, name)) for name in CHANGEABLE}
        self._ranks.same(PLACE, told)
        told = self._by_group([mine.numbers() for mine in self._hyper])
        for name, leaf in zip(layout.names, layout.leaves):
            told[f"the values of {name}"] = f"those with the checksum {number_of(flat(leaf).view(np.uint8)):x}"
        self._ranks.same(PLACE, told)
        self._ranks.take_number()
