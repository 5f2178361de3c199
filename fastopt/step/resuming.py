"""What an optimiser is beside its parameters, taken out as a dict and put back."""

from ..kernels.counts import T
from .attributes import Attributes
from .held import STEP, held, undisturbed
from .interrupts import to_the_end
from .state_dict import counts_of, hyper_of


class Resuming(Attributes):
    """What users save of an optimiser, and load into one."""

    __slots__ = ()

    def state_dict(self) -> dict:
        """Everything but the parameters, as copies: ``{"rule", "t", "counts", "hyper", "state"}``.

        "counts" has the structure of the parameters; where it is absent, all arrays took part in all steps. "hyper"
        maps the names of the hyperparameters to numbers; with groups it is a list of such mappings. Schedules are
        functions and cannot be kept: their entry is None, or the states of the plateaus in it.

        Raises
        ------
        RuntimeError
            If the optimiser is being stepped: by another thread, or by what a signal interrupted whose handler asks.
        """
        hyper = [h.numbers() for h in self._hyper]
        with undisturbed(self._cells):
            return {
                "rule": self._rule.name,
                "t": self.t,
                "counts": self.counts,
                "hyper": hyper if self._grouped else hyper[0],
                "state": self._layout.copies(),
            }

    def load_state_dict(self, d) -> None:
        """Restore what ``state_dict()`` returned, bit for bit; arrays are copied in place.

        Raises
        ------
        TypeError, ValueError
            If the rule, the structure, a dtype or a shape differs, or if a hyperparameter was a schedule there and is
            not one here. Nothing is changed then.
        RuntimeError
            If another thread is stepping this optimiser. Nothing is changed then.
        """
        self._load(d, [])

    def _load(self, d, params):
        """The same with parameters, as pairs of an array and what to write there: an interrupt comes behind all."""
        hyper = hyper_of(d, self._rule, self._hyper, self._grouped)
        counts = counts_of(d, self._layout, self._options.capturable)
        pairs = params + self._layout.state_pairs(d["state"])
        held(self._cells, STEP, to_the_end, self._take_over, d["t"], counts, hyper, pairs)

    def _take_over(self, t, counts, hyper, pairs):
        self._layout.write(pairs)
        for mine, numbers in zip(self._hyper, hyper):
            mine.take_numbers(numbers)
        self._cells[T] = t
        self._layout.take_counts(t, counts)
        self._prepare()
