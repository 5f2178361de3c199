"""What an optimiser is beside its parameters, taken out as a dict and put back."""

from ..distributed.ranks import agreed
from ..kernels.counts import HELD, T
from .attributes import Attributes
from .held import STEP, held, refusal, undisturbed
from .interrupts import to_the_end
from .state_dict import counts_of, hyper_of

PLACE = "opt.load_state_dict"  # where ranks meet


class Resuming(Attributes):
    """What users save of an optimiser, and load into one."""

    __slots__ = ()

    def state_dict(self) -> dict:
        """Everything but the parameters, as copies: ``{"rule", "t", "counts", "hyper", "state"}``.

        "counts" has the structure of the parameters; where it is absent, all arrays took part in all steps. "hyper"
        maps the names of the hyperparameters to numbers; with groups it is a list of such mappings. Schedules are
        functions and cannot be kept: their entry is None, or the states of the plateaus in it. With ``comm`` the state
        is this rank's part of it alone, for the same rank of as many; :func:`fastopt.save` writes all of it.

        Raises
        ------
        RuntimeError
            If the optimiser is being stepped: by another thread, or by what a signal interrupted whose handler asks.
        """
        with undisturbed(self._cells):
            return {**self._saved_numbers(), "state": self._layout.copies()}

    def _saved_numbers(self) -> dict:
        """The same without the state."""
        hyper = [h.numbers() for h in self._hyper]
        return {
            "rule": self._rule.name,
            "t": self.t,
            "counts": self.counts,
            "hyper": hyper if self._grouped else hyper[0],
        }

    def load_state_dict(self, d) -> None:
        """Restore what ``state_dict()`` returned, bit for bit; arrays are copied in place. With ``comm`` on all ranks.

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
        checked = agreed(self._target.ranks, PLACE, self._checked, d)
        held(self._cells, STEP, to_the_end, self._take_over, d["t"], *checked, params)

    def _checked(self, d) -> tuple:
        """The counts, the hyperparameters and the pairs of the state in a state dict; raises unless it fits."""
        hyper = hyper_of(d, self._rule, self._hyper, self._grouped)
        counts = counts_of(d, self._layout, self._options.capturable)
        pairs = self._layout.state_pairs(d["state"])
        if self._cells[HELD]:  # which ``held`` says too, of this rank alone
            raise RuntimeError(refusal(self._cells))
        return counts, hyper, pairs

    def _take_over(self, t, counts, hyper, pairs, params):
        self._layout.write(params + pairs)
        for mine, numbers in zip(self._hyper, hyper):
            mine.take_numbers(numbers)
        self._cells[T] = t
        self._layout.take_counts(t, counts)
        self._prepare()
