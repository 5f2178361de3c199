"""Many problems of least squares in blocks, or in chunks by the workers of an executor; how outcomes are joined."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..distributed.executors import fan_out
from ..kernels.loops.least_squares import KEPT_RADIUS, STATUS
from ..kernels.loops.minimize import NONFINITE, RUNNING
from ..kernels.subnormals import restored_control
from .compiled_problems import kinds_of
from .endings import TOO_FEW
from .squares import Solved, has_raised, part_of, raised, solve, task_of, unsolved
from .squares_evaluation import evaluation_of
from .squares_starts import best, placed

BLOCK = 1 << 15  # problems that are finished before others begin
BYTES = 1 << 26  # of rows that are repeated for several starts


class Outcome(NamedTuple):
    """How problems ended; ``begun`` is from how many starts each was begun, ``why`` what the first that raised did."""

    problems: Solved
    begun: Any
    why: str | None


class Common:
    """What problems have in common. It is called for some of them in a worker, where it may come pickled.

    Rows are x, the lower and the upper bounds, the number of points, and those of ``args``. ``others`` are the starts
    beside x, in a unit cube.
    """

    def __init__(self, model, rows, shared, s, others):
        X, _, _, _, *args = rows
        self.model, self.shared, self.s, self.others = model, shared, s, others
        self.dtype, self.d = X.dtype, X.shape[1]
        # Of some rows in Fortran order, layout says nothing.
        self.kinds = tuple(kind.copy(layout="A") if kind.layout == "F" else kind for kind in kinds_of(tuple(args)))

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "task"}

    @cached_property
    def task(self):
        evaluation = evaluation_of(self.model, self.dtype, self.d, self.kinds, self.shared, self.s.loss, self.s.lanes)
        return task_of(evaluation, self.shared, self.s, self.dtype, self.d)

    def __call__(self, rows, begin, ends):
        return self.solved(rows, ends, lambda steps, text: None)

    def solved(self, rows, ends, advance) -> Outcome:
        """Solve problems until this time, if there is one; x is written."""
        X, _, _, points, *args = rows
        problems, begun = ready(X, points), np.zeros(len(X), np.int64)
        size = self._block(args)
        with restored_control(True):
            for begin in range(0, len(X), size):
                end = min(begin + size, len(X))
                block, part = [a[begin:end] for a in rows], part_of(problems, begin, end)
                goes_on = self._solve(part, block, ends) if self.others is None else self._try(part, block, ends)
                done, begun[begin:end] = goes_on
                if not done:
                    break
                advance(end - begin, "")
        which = has_raised(problems)
        return Outcome(problems, begun, raised(self.task, problems, args, which[0]) if which.size else None)

    def _block(self, args):
        """How many problems go together: with their starts so many that they fill lanes and threads, and not memory."""
        if self.others is None:
            return BLOCK
        row = sum(a.dtype.itemsize * a[:1].size for a in args)
        return max(1, min(BLOCK, BYTES // max(row, 1)) // (1 + len(self.others)))

    def _solve(self, problems, rows, ends):
        """Whether all ended, and which were begun."""
        _, low, high, _, *args = rows
        return solve(self.task, problems, tuple(args), np.stack([low, high]), ends), begun_of(problems)

    def _try(self, problems, rows, ends):
        """The same from several starts; the best one is kept."""
        X, low, high, points, *args = rows
        n = 1 + len(self.others)
        X = np.concatenate([X[:, None], placed(self.others, low, high)], axis=1).reshape(-1, self.d)
        low, high, points, *args = (np.repeat(a, n, axis=0) for a in (low, high, points, *args))
        tried = ready(X, points)
        done, begun = self._solve(tried, (X, low, high, points, *args), ends)
        kept, begun = best(tried, begun, n)
        for whole, part in zip(problems, kept):
            whole[:] = part
        return done, begun


def in_chunks(dealing, common, rows, ends, advance) -> Outcome:
    """As ``Common.solved``, by workers."""
    none = common.solved([a[:0] for a in rows], None, advance)
    parts = [
        found or Outcome(ready(rows[0][begin:end], rows[3][begin:end]), np.zeros(end - begin, np.int64), None)
        for begin, end, found in fan_out(dealing, common, rows, ends, advance)
    ]
    problems = Solved(*map(np.concatenate, zip(none.problems, *(part.problems for part in parts))))
    begun = np.concatenate([none.begun, *(part.begun for part in parts)])
    return Outcome(problems, begun, next((part.why for part in parts if part.why is not None), None))


def ready(X, points) -> Solved:
    """Problems that have not begun, those that cannot begin ended."""
    problems = unsolved(X, points)
    problems.counts[(points >= 0.0) & (points < X.shape[1]), STATUS] = TOO_FEW
    problems.counts[~np.isfinite(X).all(axis=1), STATUS] = NONFINITE
    return problems


def begun_of(problems):
    """Which were evaluated at all."""
    counts, kept = problems.counts, problems.kept
    left_out = (counts[:, STATUS] == TOO_FEW) | ~np.isfinite(problems.x).all(axis=1)
    return ~left_out & ((counts[:, STATUS] != RUNNING) | (kept[:, KEPT_RADIUS] >= 0.0))
