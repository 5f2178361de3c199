"""An average of the parameters: which rule keeps it, and its exchange with them."""

from ..distributed.signals import postponed
from ..errors import describe, listing
from ..kernels.counts import ALONE, HELD, ONE_AT_A_TIME
from ..rules.averages import NAME, averaged
from ..targets.blocks import evaluated
from .attributes import Attributes
from .held import SWAP, refusal
from .interrupts import to_the_end

PLACE = "opt.swapped"  # where ranks meet
STEPS = 3  # of an exchange
END = 2 * STEPS  # of that and the one back


def with_average(rule, groups, given, ema, average) -> tuple:
    """The rule that keeps the average asked for, and the hyperparameters given with that average's, if it has one."""
    if average is not None and not (isinstance(average, str) and average == "polyak"):
        raise ValueError(f"average must be 'polyak' or None, got {describe(average)}")
    lacking = [i for i, group in enumerate(groups or ()) if "ema" not in group]
    kind = "ema" if ema is not None or len(lacking) < len(groups or ()) else average
    if kind is None:
        return rule, given
    if kind == "ema" and average is not None:
        raise ValueError("ema must be None with average='polyak', got both")
    if ema is None and kind == "ema" and lacking:
        raise ValueError(f"ema must be given to every group, or to all beside them, got group {lacking[0]} without it")
    given = given if ema is None else {**given, "ema": ema}
    if kind == "ema" and "ema" in rule.hyper:  # a number of the rule's own
        return rule, given
    if rule.evaluates:
        raise ValueError(f"ema and average must be None with {rule.label or rule.name}, which has an average already")
    if NAME in rule.state:
        raise ValueError(f"the state of a rule must have other names than {NAME!r} for one, got {listing(rule.state)}")
    return averaged(rule, kind), given


class Averaging(Attributes):
    """What users read of an average, and do with it."""

    __slots__ = ()

    @property
    def averaged(self):
        """The average of the parameters, in their structure; AttributeError where none is kept."""
        slot = self._rule.evaluates
        if not slot:
            raise AttributeError("averaged must be asked for with ema=0.999, say, or average='polyak', got neither")
        return self.params if self._cells[HELD] == SWAP else self._state[slot]

    def swapped(self):
        """Exchange the parameters and their average for a ``with`` block, in place and to the bit.

        Inside, the arrays of ``params`` hold the average, which ``averaged`` is there too, and ``state`` holds the
        parameters. What is written into either goes back with it. With ``comm`` all ranks must enter the block, and
        none may write into ``state`` there, of which other ranks would not know.

        Raises
        ------
        AttributeError
            If no average is kept.
        RuntimeError
            If the optimiser is being stepped, or is swapped already. Inside, steps, copies and checkpoints raise it:
            they belong before or after the block.

        Examples
        --------
        >>> import numpy as np, fastopt
        >>> x = np.array([4.0])
        >>> opt = fastopt.SGD(x, lr=1.0, average="polyak")
        >>> opt.step(np.array([1.0])); opt.step(np.array([1.0]))
        >>> with opt.swapped():
        ...     print(x)
        [2.5]
        >>> x
        array([2.])
        """
        _ = self.averaged
        kind = Swapped if self._target.ranks is None else SwappedTogether
        return kind(self._cells, self._layout, self._target, self._rule)


class Swapped:
    """The ``with`` block of an exchange."""

    def __init__(self, cells, layout, target, rule):
        self._cells, self._layout, self._target, self._rule, self._done = cells, layout, target, rule, END

    def __enter__(self):
        cells = self._cells
        if cells[HELD]:
            raise RuntimeError(refusal(cells))
        self._done, cells[HELD] = 0, SWAP
        try:
            if cells[ALONE]:
                raise RuntimeError(ONE_AT_A_TIME)
            self._layout.check_writable()
            self._pairs = evaluated(self._rule, self._layout.all)
            self._kept = [self._target.empty(p.size, p.dtype) for p, _ in self._pairs]
            to_the_end(self._exchange, STEPS)
        except BaseException:
            if self._done:
                self.__exit__()
            self._done, cells[HELD] = END, 0
            raise

    def __exit__(self, *error):
        """An interrupt that comes before any of this runs leaves all as it was inside: it may be called again."""
        if self._done == END:  # not entered, or left
            return
        try:
            try:
                to_the_end(self._exchange, END)
            finally:
                if self._done < END:  # it came before that began
                    to_the_end(self._exchange, END)
        finally:
            self._done, self._cells[HELD] = END, 0

    def _exchange(self, until):
        """Goes on where it was interrupted: each of its steps may be taken again."""
        while self._done < until:
            for kept, (p, average) in zip(self._kept, self._pairs):
                self._layout.write([((kept, p), (p, average), (average, kept))[self._done % STEPS]])
            self._done += 1


class SwappedTogether(Swapped):
    """The same where ranks share the parameters. The end of it asks no other rank: one may come there by an error."""

    _others: tuple = ()  # what other ranks step: where, and what it was

    def __enter__(self):
        ranks, leaves = self._target.ranks, self._layout.leaves
        try:
            with postponed():
                ranks.agreed(PLACE, super().__enter__)
                self._others = tuple((part, part.copy()) for part in self._target.parts_of_others(leaves))
                self._target.spread(leaves)
        except BaseException:  # of another rank, or a signal's
            self.__exit__()
            raise

    def _exchange(self, until):
        super()._exchange(until)
        if until == END:
            self._layout.write(self._others)
