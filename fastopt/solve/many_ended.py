"""The end of a ``minimize_many``: what is evaluated once more, how each problem is judged, and the result."""

import numpy as np

from ..kernels.loops.minimize import MAXITER, MAXTIME, NIT, NONFINITE, RAISED, RUNNING, STARTED, STATUS
from . import endings, noise
from .diverged import has_risen, is_flat


class Ending:
    """Problems that were run; ``status`` of each, and how often its objective was called beside the loop.

    ``late`` says that time is over: then none is looked at for having run off.
    """

    def __init__(self, problems, late):
        self.problems, self.s, self.late, counts = problems, problems.s, late, problems.counts
        self.nit, self.status = counts[:, NIT].copy(), counts[:, STATUS].copy()
        self.status[self.status == RUNNING] = MAXTIME
        self.begun = (counts[:, STARTED] != 0) | (self.status == RAISED)
        self.more = np.zeros(problems.k, np.int64)
        self.falls = problems.go_on(np.flatnonzero(self.status == MAXITER), self.nit)
        reads = problems.flags.reads_value
        first = problems.first_values() if reads else self._first_values()
        if not self.s.best:
            again = (self.status == NONFINITE) & (self.nit > 0) | (not reads)  # x is not where it was evaluated last
            self._evaluate(self.begun & (self.status != RAISED) & again)
        last = problems.values()
        self._judge(np.where(self.nit > 0, first, last), last)
        if self.s.best:
            problems.take_best()
            self._evaluate(self.begun & (self.status != RAISED) & (self.nit > 0))
        self.values = problems.values()
        self.noisy = self._noisy()
        if problems.given.form == "inplace":
            problems.refuse_unwritten(self.values)

    def _noisy(self):
        """Which have differences that are not as good as gtol."""
        problems, which = self.problems, np.isin(self.status, endings.BY_ITSELF) & (self.s.gtol > 0.0)
        if problems.given.form in noise.ROOT and which.any():
            error = noise.of_value(self.values, problems.dtype)
            which &= noise.of_differences(problems.given.form, error, problems.points()) > self.s.gtol
            return which
        return np.zeros(problems.k, bool)

    def _first_values(self):
        which = np.isin(self.status, endings.BY_ITSELF) & (self.nit > 0)
        self.more += which
        return self.problems.values_at_start(which)

    def _evaluate(self, which):
        """Value and gradient again, where the problems are."""
        self.more += which
        if which.any():
            raised = self.problems.evaluate_again(which)
            self.status[raised] = RAISED

    def _judge(self, first, last):
        sign, dtype = -1.0 if self.s.maximize else 1.0, self.problems.dtype
        with np.errstate(invalid="ignore"):
            risen = np.isin(self.status, endings.judged_by_value(self.s)) & has_risen(last, first, sign, dtype)
            self.falls &= sign * (last - first) < 0.0
        ended = np.isin(self.status, endings.SUCCESS) & ~risen & (not self.late)
        there, probed = self.problems.values_as_far_again(ended)
        self.more += probed
        with np.errstate(invalid="ignore"):
            self.status[risen | (probed & is_flat(there, last, first, dtype))] = endings.DIVERGED

    def result(self):
        from scipy.optimize import OptimizeResult

        problems, status, values = self.problems, self.status, self.values.copy()
        values[(status == RAISED) | ~self.begun] = np.nan
        status[~np.isfinite(values) & (status != RAISED) & self.begun] = NONFINITE
        nfev, njev = problems.given.evaluations(self.nit + 1, problems.d, problems.flags.reads_value)
        more = problems.given.evaluations(self.more, problems.d, True)
        return OptimizeResult(
            x=problems.X, fun=values, jac=problems.G, nit=self.nit, lanes=problems.lanes,
            nfev=(nfev + more[0]) * self.begun, njev=(njev + more[1]) * self.begun,
            status=status, success=np.isin(status, endings.SUCCESS),
            message=endings.counted(status, self.s, self.falls & ~self.noisy, self.noisy),
        )  # fmt: skip
