"""One minimisation on its way: slices of the loop, callbacks and limits between them, and a judgement at its end."""

import time
from math import isfinite
from typing import Any

import numpy as np

from ..kernels.loops.minimize import (
    CALLBACK,
    GTOL,
    MAXFUN,
    MAXITER,
    MAXTIME,
    NIT,
    NONFINITE,
    RUNNING,
    START,
    STATUS,
    VALUE,
)
from ..kernels.slices import FIRST_SLICE, next_slice, ticking, timed
from ..kernels.subnormals import restored_control
from ..step.asked import Asked
from . import endings, noise
from .diverged import FAR, as_far_again, goes_on, has_risen, is_flat
from .unwritten import refuse_unwritten, unwritten

LONGEST_FIRST = 1024  # iterations to begin with, where an objective was measured before


class Run:
    def __init__(self, plan, given, s, flags, args, x, low, high, scale):
        self.plan, self.given, self.s, self.flags, self.bounds = plan, given, s, flags, (low, high)
        self.objective = (*plan.addresses, args, low, high, scale)
        self.x, self.g, self.old, self.start = x, unwritten(x.shape, x.dtype), x.copy(), x.copy()
        self.best = x.copy() if s.best else x
        self.sign = -1.0 if s.maximize else 1.0
        self.numbers, self.counts = np.array(s.first_numbers), np.array([0, RUNNING, 0])
        state = first_state(s, x)
        self.problem = x, self.g, self.old, self.best, state, self.numbers, self.counts
        self.sizes = (x.size, *(getattr(a, "size", 1) for a in args))
        self.is_fixed = low.size > 0 and bool((low == high).all())
        self.asked: Any = Asked(s.row) if flags.scheduled else None  # where it is used: it costs half a microsecond
        self.more = 0  # evaluations beside those of the loop
        if not flags.reads_value or s.best:
            plan.once()  # compiled now, so that maxtime does not pay for it

    @property
    def nit(self):
        return int(self.counts[NIT])

    @property
    def evaluations(self):
        """How often the objective was called, and its gradient."""
        loops = self.given.evaluations(self.nit + 1, self.x.size, self.flags.reads_value)
        more = self.given.evaluations(self.more, self.x.size, True)
        return loops[0] + more[0], loops[1] + more[1]

    # --- on the way --------------------------------------------------------------------------------------------------

    def go(self, notify) -> int:
        """Until it stops; the status."""
        s, plan = self.s, self.plan
        most, reason = most_iterations(s, self.given, self.x.size, self.flags)
        most = 0 if self.is_fixed else most
        limit = plan.pace.get(self.sizes, FIRST_SLICE) if notify is None else 1
        slices = ticking if self.given.is_compiled else timed
        began, status = time.perf_counter(), RUNNING
        while status == RUNNING:
            nit, before = self.nit, time.perf_counter()
            if self.flags.scheduled:
                limit = min(limit, max(FIRST_SLICE, nit // 8), max(1, most - nit))
            table, like = self._rows(nit, min(limit, most - nit))
            limit = min(limit, len(table)) if self.flags.scheduled else limit
            with slices() as end:
                plan.loop(self.objective, self.problem, (table, like, s.tests, (limit, most, reason, nit, *end)))
            status, now = int(self.counts[STATUS]), time.perf_counter()
            if notify is None:
                limit = next_slice(max(1, self.nit - nit), now - before)
            elif self.nit > nit and status != NONFINITE and self._stopped_by(notify):
                return CALLBACK
            if status == RUNNING and s.maxtime is not None and now - began >= s.maxtime:
                status = MAXTIME
        if notify is None:
            plan.pace[self.sizes] = min(limit, LONGEST_FIRST)
        return status

    def _rows(self, nit, steps):
        """What coefficients are made of: a row for each of the steps after ``nit``, or one for all; and the first."""
        if not self.flags.scheduled:
            return self.s.first_rows
        rows = self.asked.after(nit, steps) or [self.s.no_row]
        return np.array(rows), rows[0]

    def _stopped_by(self, notify):
        from scipy.optimize import OptimizeResult

        try:
            notify(OptimizeResult(x=self.x.copy(), fun=float(self.numbers[VALUE])))
        except StopIteration:
            return True
        return False

    # --- at the end --------------------------------------------------------------------------------------------------

    def end(self, status):
        """The value at x, the status and the message; x is the best iterate where that is wanted."""
        falls = status == MAXITER and self._goes_on()
        if self.s.best and status == NONFINITE:
            self.x[:] = self.best
        last = float(self.numbers[VALUE])
        if (status == NONFINITE and self.nit) or not self.flags.reads_value:  # x is not where it was evaluated last
            last = self._value_at(self.x, self.g)
        if self.given.form == "inplace" and status == NONFINITE and not self.nit:
            refuse_unwritten(self.g, last)
        status, message = self._judged(status, last, falls)
        if self.s.best and status != NONFINITE and self.nit:
            self.x[:] = self.best
            last = self._value_at(self.x, self.g)
        if status == NONFINITE or not isfinite(last):
            return last, NONFINITE, endings.not_finite(last, self.g)
        return last, status, message

    def _judged(self, status, last, falls):
        """The status, and what is said about it, once the last value is known."""
        if self.is_fixed and status in (GTOL, MAXITER):
            return GTOL, endings.FIXED
        if status in endings.BY_ITSELF and isfinite(last):
            first = float(self.numbers[START]) if self.flags.reads_value else last
            if not self.flags.reads_value and self.nit:
                first = self._value_at(self.start, self.old)  # whose gradient nobody reads
            if status in endings.judged_by_value(self.s) and has_risen(last, first, self.sign, self.x.dtype):
                return endings.DIVERGED, endings.risen(self.s)
            if status in endings.SUCCESS and self._ran_off(last, first):
                return endings.DIVERGED, endings.FLAT
            if self.s.gtol and (error := self._noise(last, status == MAXITER)) > self.s.gtol:
                return status, f"{endings.MESSAGES[status]} {endings.too_noisy(self.given.form, error)}"
            if falls and self.sign * (last - first) < 0.0:
                return status, endings.too_short(self.s)
        return status, endings.MESSAGES.get(status, "")

    def _goes_on(self):
        return bool(goes_on(self.x, self.old, self.g, self.start, self.nit, self.sign, np.dot))

    def _noise(self, last, measured):
        """Of the gradient, where it is one by differences; measured only where the run was long."""
        if self.given.form not in noise.ROOT:
            return 0.0
        measured = measured and self.s.maxfun is None and not self.bounds[0].size
        values = [self._value_at(x, np.empty_like(self.g)) for x in noise.near(self.x)] if measured else []
        error = max(noise.of_value(last, self.x.dtype), *(abs(value - last) for value in (last, *values)))
        return float(noise.of_differences(self.given.form, error, self.x[None])[0])

    def _ran_off(self, last, first):
        if not np.abs(self.x - self.start).max(initial=0.0) > FAR:
            return False
        there, is_far = as_far_again(self.x[None], self.start[None], *self.bounds)
        one = self.given.evaluations(1, self.x.size, True)[0]
        if not is_far[0] or (self.s.maxfun is not None and self.evaluations[0] + one > self.s.maxfun):
            return False
        try:
            with restored_control(self.given.is_compiled), np.errstate(all="ignore"):
                return bool(is_flat(self._value_at(there[0], np.empty_like(self.g)), last, first, self.x.dtype))
        except Exception:  # of a user's function where the run never was
            return False

    def _value_at(self, x, g):
        self.more += 1
        return float(self.plan.once()(self.objective, x, g))


def first_state(s, x):
    """The state arrays of a rule for parameters x."""
    return tuple(np.full(x.shape, s.hyper.start.get(slot, 0.0), x.dtype) for slot in s.rule.state)


def most_iterations(s, given, d, flags):
    """After how many iterations to stop, and with which status."""
    if s.maxfun is None:
        return s.maxiter, MAXITER
    per_point = max(given.evaluations(1, d, flags.reads_value))
    beside = given.evaluations(int(s.best) if flags.reads_value else 2, d, True)[0]  # the loop's, at the end
    points = max(1, (s.maxfun - beside) // per_point)
    return (points - 1, MAXFUN) if points - 1 < s.maxiter else (s.maxiter, MAXITER)
