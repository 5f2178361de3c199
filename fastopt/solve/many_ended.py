"""The end of a ``minimize_many``: what is evaluated once more, how each problem is judged, and the result."""

import time
from typing import Any, NamedTuple

import numpy as np

from ..kernels.loops.minimize import MAXITER, MAXTIME, NIT, NONFINITE, RAISED, RUNNING, STARTED, STATUS
from ..kernels.subnormals import restored_control
from . import endings, noise
from .diverged import has_risen, is_flat


class Outcome(NamedTuple):
    """How problems ended, a row for each: all that a result is made of."""

    x: Any
    jac: Any
    values: Any
    nit: Any
    status: Any
    begun: Any
    more: Any  # evaluations beside those of the loop
    falls: Any
    noisy: Any


def solved(problems, ends, advance):
    """Solve problems until this time, if there is one: their outcome, and what the first one that raised did raise."""
    with restored_control(problems.given.is_compiled):
        for begin in range(0, problems.k, problems.block):
            end = min(begin + problems.block, problems.k)
            if not problems.run(begin, end, ends):
                break
            advance(end - begin, "")
        outcome = Ending(problems, ends is not None and time.perf_counter() >= ends).outcome()
    raised = np.flatnonzero(outcome.status == RAISED)
    return outcome, problems.raised(int(raised[0])) if raised.size else None


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

    def outcome(self) -> Outcome:
        problems, status, values = self.problems, self.status, self.values.copy()
        values[(status == RAISED) | ~self.begun] = np.nan
        status[~np.isfinite(values) & (status != RAISED) & self.begun] = NONFINITE
        judged = self.begun, self.more, self.falls, self.noisy
        return Outcome(problems.X, problems.G, values, self.nit, status, *judged)


def result_of(found: Outcome, problems):
    """The result of all; ``problems`` are of their kind."""
    from scipy.optimize import OptimizeResult

    given, d = problems.given, problems.d
    nfev, njev = given.evaluations(found.nit + 1, d, problems.flags.reads_value)
    more = given.evaluations(found.more, d, True)
    return OptimizeResult(
        x=found.x, fun=found.values, jac=found.jac, nit=found.nit, lanes=problems.lanes,
        nfev=(nfev + more[0]) * found.begun, njev=(njev + more[1]) * found.begun,
        status=found.status, success=endings.succeeded(found.status),
        message=endings.advised(found.status, problems.s, found.falls & ~found.noisy, found.noisy),
    )  # fmt: skip
