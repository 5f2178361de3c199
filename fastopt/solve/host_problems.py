"""The problems of a ``minimize_many`` on the CPU, and those of a Python function, one after the other."""

import time

import numpy as np

from ..kernels.loops.minimize import NIT, RAISED, RUNNING, STATUS, VALUE
from ..kernels.slices import FIRST_SLICE, timed
from ..kernels.subnormals import restored_control
from .diverged import as_far_again, dot_of_rows, goes_on
from .objective import check_arity, interpreted_plan
from .problem_set import Problems
from .unwritten import unwritten


class HostProblems(Problems):
    """Of NumPy's arrays."""

    block = 1 << 15

    def __init__(self, target, given, s, flags, X, args, shared, limited):
        super().__init__(target, given, s, flags, *X.shape)
        self.dtype, self.args, self.shared = X.dtype, args, shared
        s.check_fits(self.dtype)
        self.place(X)
        self.limited = limited  # lower and upper bounds, and the scale of X

    def prepare(self):
        """Compile what else a run takes, so that other processes find it on the disk."""

    def _matrix(self, value):
        return np.full((self.k, self.d), value, self.dtype)

    def _unwritten(self):
        return unwritten((self.k, self.d), self.dtype)

    def _copy(self, source, to, order="C"):
        to[:] = source

    def _moved(self, a):
        return a

    _read = _handed_over = _moved

    def raised(self, i) -> str:
        """What problem i raised, by raising it again."""
        try:
            with restored_control(self.given.is_compiled):
                self.once(i)
        except Exception as caught:
            return f"{type(caught).__name__}: {caught}"
        return "an exception that did not come again"

    def once(self, i):
        """The value of problem i, from which an exception is not caught."""
        raise NotImplementedError

    def values_as_far_again(self, which):
        X, is_far = as_far_again(self.kept.x, self.start, *self.limited[:2])
        is_far &= which & self._within_maxfun()
        if not is_far.any():
            return super().values_as_far_again(which)
        numbers = np.full((self.k, 1), np.nan)
        with np.errstate(all="ignore"):
            raised = self._raised(is_far, X, np.empty_like(X), numbers)
        return np.where(raised, np.nan, numbers[:, VALUE]), is_far

    def _within_maxfun(self):
        """Whether an evaluation more is left to each."""
        points = self.kept.counts[:, NIT] + (2 + self.s.best if self.flags.reads_value else 4)
        return self.s.maxfun is None or self.given.evaluations(points, self.d, True)[0] <= self.s.maxfun

    def go_on(self, which, nit):
        sign, out = -1.0 if self.s.maximize else 1.0, super().go_on(which, nit)
        x, old, g, start = (a[which] for a in (self.kept.x, self.kept.old, self.kept.g, self.start))
        with np.errstate(all="ignore"):
            out[which] = goes_on(x, old, g, start, nit[which], sign, dot_of_rows)
        return out


class InterpretedProblems(HostProblems):
    """One problem after the other, for Python functions."""

    def __init__(self, target, given, s, flags, X, args, shared, limited):
        super().__init__(target, given, s, flags, X, args, shared, limited)
        check_arity(given, len(args) + len(shared))
        self.plan = interpreted_plan(given, s.rule, X.dtype, flags)

    def once(self, i):
        return self.plan.once()(self.objective(i), self.kept.x[i].copy(), self.kept.g[i].copy())  # not the result's

    def objective(self, i):
        row = (*(a[i] for a in self.args), *self.shared)
        return (*self.plan.addresses, row, *(a[i] for a in self.limited))

    def run(self, begin, end, ends):
        for i in range(begin, end):
            x, g, old, best, state, numbers, counts = self.kept
            problem = x[i], g[i], old[i], best[i], tuple(a[i] for a in state), numbers[i], counts[i]
            while self.kept.counts[i, STATUS] == RUNNING:
                if ends is not None and time.perf_counter() >= ends:
                    return False
                nit = int(self.kept.counts[i, NIT])
                table = self.hyper_rows(nit, FIRST_SLICE)
                steps = len(table) if self.flags.scheduled else FIRST_SLICE
                try:
                    with timed() as over:
                        limit = steps, self.most, self.reason, nit, *over
                        course = table, tuple(table[0].tolist()), self.s.tests, limit
                        self.plan.loop(self.objective(i), problem, course)
                except Exception:
                    self.kept.counts[i, STATUS] = RAISED
        return True

    def _evaluate(self, x, g, numbers, marks):
        for i in np.flatnonzero(marks[:, STATUS] != RAISED):
            try:
                numbers[i, VALUE] = self.plan.once()(self.objective(i), x[i], g[i])
            except Exception:
                marks[i, STATUS] = RAISED
