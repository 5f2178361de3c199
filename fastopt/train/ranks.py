"""Training on several ranks, each with examples of its own: all of them go through it together, or none does."""

from contextlib import contextmanager, nullcontext, suppress

import numpy as np

from ..distributed.signals import postponed
from ..step.inside import target_of
from ..step.interrupts import to_the_end
from .epochs import Training

PLACE = "fit"  # where the ranks meet


def company_of(opt):
    """The context of a training; None in it where the optimiser is on one rank."""
    ranks = target_of(opt).ranks
    return nullcontext() if ranks is None else Company(ranks)


class Company:
    """This rank among those that train. What it raises in the block, alone, is told to the others, who stop, too."""

    def __init__(self, ranks):
        self.ranks, self._known = ranks, False  # whether all ranks know that, or why, the training is over

    def __enter__(self):
        self.ranks.standing.apart = False
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            to_the_end(self._tell, error)

    @contextmanager
    def meeting(self, last=False):
        """A block of what all ranks do, and raise, together; signals come after it."""
        with postponed():
            self._known = True
            if self.ranks.standing.apart:
                raise RuntimeError("callback must let through what it was told of other ranks, got it caught")
            yield
            self._known = last

    def _tell(self, error):
        """Not those who raised, too, nor those who left: a callback may have met them where they were elsewhere."""
        with postponed():
            if not (self._known or self.ranks.standing.apart):
                self._known = True
                with suppress(BaseException):
                    self.ranks.meet(PLACE, error=error)


class TrainingOfRanks(Training):
    """As many updates as the rank with the most examples needs, each by the sum of all ranks' gradients."""

    def join(self, company, numbers, given):
        """Meet the others; raises on all ranks where these numbers, what is given or the kind of examples differ."""
        self._company, self._ranks = company, company.ranks
        self.leads = self._ranks.rank == 0
        self.evaluated = self.params  # where the average is put
        self._nothing = self.layout.nest([None] * len(self.layout.leaves))
        told = {name: str(value) for name, value in numbers.items()}
        told |= {f"whether {name} is given": str(there) for name, there in given.items()}
        told["the dtypes and shapes of examples"] = ", ".join(f"{a.dtype} {a.shape[1:]}" for a in self.data)
        with company.meeting():
            self._ranks.same(PLACE, told)
            mine = self.n, min(self.n, self.size * self.accumulate)
            self._lengths, self._of_one = self._ranks.gathered(np.array(mine)).T  # the examples: all, of an update
        self._updates = int((-(-self._lengths // self._of_one)).max())

    def epoch(self, order) -> float:
        self._done = 0
        total = self._pass(order)
        while self._done < self._updates:
            self._step(self._nothing)
        return self._reduced(total, self.n)

    def evaluate(self, data, n) -> float:
        average = self.opt.swapped() if self.opt.rule.evaluates else nullcontext()
        with self._company.meeting(), average:
            return self._added(self._ranks.agreed(PLACE, self._total_of, data), n)

    def is_stopped(self, callback, epoch, loss) -> bool:
        stopped = super().is_stopped(callback, epoch, loss)
        with self._company.meeting():
            return bool(self._ranks.meet(PLACE, mark=stopped)["mark"].any())

    def end(self, kept):
        with self._company.meeting(last=True):
            self._ranks.meet(PLACE)
            super().end(kept)
            if kept is not None:
                self.target.spread(self.layout.leaves)

    def _reduced(self, total, n) -> float:
        with self._company.meeting():
            self._ranks.meet(PLACE)
            return self._added(total, n)

    def _added(self, total, n) -> float:
        """What is told of the losses of all ranks."""
        return super()._reduced(*self._ranks.added(np.array([total, n], np.float64)).tolist())

    def _scaled(self, factor):
        """By the number of examples that all ranks have in this update."""
        before = self._done * self._of_one
        super()._scaled(1.0 / int(np.clip(self._lengths - before, 0, self._of_one).sum()))

    def _update(self, numbers, counts):
        self._step(self.steps)

    def _step(self, grads):
        with self._company.meeting():
            self.opt.step(grads)
        self._done += 1
