"""The problems of a ``minimize_many`` on their way: what is known of each, wherever that is, and going on with them."""

import time
from typing import Any, NamedTuple

import numpy as np

from ..kernels import minimize as looped
from ..kernels.loops.minimize import NIT, NONFINITE, RAISED, RUNNING, START, STATUS, VALUE
from ..kernels.slices import FIRST_SLICE, next_slice
from ..step.asked import Asked
from .run import most_iterations
from .unwritten import refuse_unwritten

LONGEST_TABLE = 4096  # rows


class Kept(NamedTuple):
    """What the loop of loops/minimize.py keeps, with a row per problem; it says what each is."""

    x: Any
    g: Any
    old: Any
    best: Any
    state: tuple
    numbers: Any
    counts: Any


class Problems:
    """What is the same wherever they are. The kinds say where arrays are, and how the loop is run there."""

    kept: Kept
    start: Any
    block: int  # problems that are finished before others begin
    order = "C"  # of X0
    lanes = 1
    first = 0  # the number of the first one, where others are solved elsewhere

    def __init__(self, target, given, s, flags, k, d):
        self.target, self.given, self.s, self.flags, self.k, self.d = target, given, s, flags, k, d
        self.most, self.reason = most_iterations(s, given, d, flags)
        self.width, self.takes_coefficients = looped.columns(s.rule, flags, True)
        self.asked = Asked(self.row_of)  # of which problems that begin later take the same
        self.evaluates = not flags.reads_value or s.best  # at the end, where the value at x is not known

    def place(self, X0):
        """Make the arrays, with the iterates at X0."""
        s, k = self.s, self.k
        x, old, g = self._matrix(0.0), self._matrix(0.0), self._unwritten()
        best = self._matrix(0.0) if s.best else x
        state = tuple(self._matrix(s.hyper.start.get(slot, 0.0)) for slot in s.rule.state)
        self.start = X0
        for a in (x, old, best):
            self._copy(X0, a, self.order)
        numbers = self._moved(np.tile(s.first_numbers, (k, 1)))
        counts = self._moved(np.tile(np.array([0, RUNNING, 0]), (k, 1)))
        self.kept = Kept(x, g, old, best, state, numbers, counts)

    def run(self, begin, end, ends):
        """Run the problems from ``begin`` to ``end`` until all have stopped; False if time ran out."""
        at: int | None = 0  # where the problem that is furthest behind stands
        until, limit, seconds = 0, FIRST_SLICE, 0.0
        while at is not None:
            before = time.perf_counter()
            if ends is not None and before >= ends:
                return False
            if at == until:  # all that still run have arrived; else some go on to there
                limit = next_slice(limit, seconds) if until else limit
                limit = max(1, min(limit, LONGEST_TABLE, self.most - until))
                if self.flags.scheduled:
                    limit = min(limit, max(FIRST_SLICE, until // 8))
                rows = self.hyper_rows(until, limit)
                limit = min(limit, len(rows)) if self.flags.scheduled else limit
                table, first, until, seconds = self.table(rows, until, limit), until, until + limit, 0.0
            at = self._slice(begin, end, first, limit, table)
            seconds += time.perf_counter() - before
        return True

    def _slice(self, begin, end, nit, limit, table) -> int | None:
        """Go on to iteration ``nit + limit`` with each problem that still runs, or until a tick; where the one that is
        furthest behind is then, or None where none runs."""
        raise NotImplementedError

    def hyper_rows(self, nit, limit):
        """Of the steps after ``nit``, as many as a schedule has, or one for all."""
        if not self.flags.scheduled:
            return np.array([self.row_of(1)])
        return np.array(self.asked.again(nit, min(limit, self.most - nit)) or [self.no_row()])

    def row_of(self, t):
        """What coefficients of step t are made of."""
        return self.s.row(t)

    def no_row(self):
        """Something of a row's length, for runs without steps."""
        return self.s.no_row

    def table(self, rows, nit, limit):
        """What the loop takes for each step of a slice: the coefficients, the same for all problems."""
        if not self.takes_coefficients:
            return rows
        out = np.empty((limit + 1, self.width))  # one more: the loop looks a step ahead
        looped.table_kernel(self.s.rule, self.flags.stage)(rows, tuple(rows[0].tolist()), nit, out)
        return out

    # --- evaluations beside those of the loop ------------------------------------------------------------------------

    def evaluate_again(self, which):
        """Value and gradient of these problems, where they are; whether each raised."""
        x, g, *_, numbers, _ = self.kept
        return self._raised(which, x, g, numbers)

    def values_at_start(self, which):
        """The values of these problems where they began; the gradients, and the iterates before, are lost."""
        old, g, numbers = self.kept.old, self.kept.g, self.kept.numbers
        self._copy(self.start, old, self.order)
        raised = self._raised(which, old, g, numbers)
        return np.where(which & ~raised, self.values(), np.nan)

    def _raised(self, which, x, g, numbers):
        counts = self.counts
        marks = counts.copy()
        marks[:, STATUS] = np.where(which, counts[:, STATUS], RAISED)
        marks = self._moved(marks)
        if which.any():
            with self.target.current():
                self._evaluate(x, g, numbers, marks)
        return which & (self._read(marks)[:, STATUS] == RAISED)

    def _evaluate(self, x, g, numbers, marks):
        """Value and gradient of each problem whose status in ``marks`` is not RAISED."""
        raise NotImplementedError

    def values_as_far_again(self, which):
        """The values of those of these problems that went far, where they had gone as far again, and which did."""
        return np.full(self.k, np.nan), np.zeros(self.k, bool)

    def go_on(self, which, nit):
        """Whether each of these problems went downhill in one direction."""
        return np.zeros(self.k, bool)

    # --- where the arrays are ----------------------------------------------------------------------------------------

    def _matrix(self, value):
        """A new array of X0's shape and dtype."""
        raise NotImplementedError

    def _unwritten(self):
        """A new matrix as in unwritten.py."""
        raise NotImplementedError

    def _copy(self, source, to, order="F"):
        """Copy a matrix; ``order`` is that of the source, where it is none of our own."""
        raise NotImplementedError

    def _moved(self, a):
        """A NumPy array there."""
        raise NotImplementedError

    def _read(self, a):
        """An array from there as one of NumPy's."""
        raise NotImplementedError

    def _handed_over(self, a):
        """A matrix as an array of X0's library."""
        raise NotImplementedError

    # --- results -----------------------------------------------------------------------------------------------------

    @property
    def X(self):
        return self._handed_over(self.kept.x)

    @property
    def G(self):
        return self._handed_over(self.kept.g)

    @property
    def counts(self):
        return self._read(self.kept.counts)

    def points(self):
        return self._read(self.kept.x)

    def first_values(self):
        return self._read(self.kept.numbers)[:, START].copy()

    def values(self):
        return self._read(self.kept.numbers)[:, VALUE].copy()

    def refuse_unwritten(self, values):
        """Raise if the objective of a problem left its gradient unwritten, of the first one."""
        counts = self.counts
        suspects = np.flatnonzero((counts[:, STATUS] == NONFINITE) & (counts[:, NIT] == 0) & np.isfinite(values))
        gradients = self._read(self.kept.g) if suspects.size else ()
        for i in suspects:
            refuse_unwritten(np.ascontiguousarray(gradients[i]), values[i], f" in problem {self.first + i}")

    def take_best(self):
        with self.target.current():
            self._copy(self.kept.best, self.kept.x)
