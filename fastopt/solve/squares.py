"""Many problems of least squares: what they have in common, and going on with some of them."""

import time
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..kernels import least_squares as kernels
from ..kernels import normal_equations
from ..kernels.addresses import address_of
from ..kernels.described import described
from ..kernels.digest import may_launch
from ..kernels.loops.least_squares import (
    ABSOLUTE,
    BEGIN,
    BOUNDED,
    CHUNKS,
    CONTEXT,
    END,
    EVALUATE,
    HAND,
    KEPT_RADIUS,
    LAST_TICK,
    MOST,
    PLANNED,
    POINTS,
    RANK,
    ROBUST,
    SOLVE,
    STATUS,
    TICKS,
)
from ..kernels.loops.minimize import RAISED, RUNNING
from ..kernels.loops.trust_region import MATRICES, NUMBERS, VECTORS
from ..kernels.many import launcher
from ..kernels.slices import ticking
from ..kernels.threads import in_threads
from .compiled_problems import ROOM, aligned, rows_of


class Task(NamedTuple):
    """What all problems have in common, and the compiled code. ``evaluation`` is that of squares_evaluation.py."""

    evaluation: Any
    shared: tuple
    s: Any
    dtype: Any
    d: int
    worker: Any
    solver: Any
    nested: Any  # of in_threads

    @property
    def lanes(self):
        return self.evaluation.kinds.lanes


def task_of(evaluation, shared, s, dtype, d) -> Task:
    """Compiled now, so that maxtime does not pay for it."""
    lanes = evaluation.kinds.lanes
    nested = cache(lambda: may_launch(evaluation.function, *evaluation.kinds.given()))
    in_threads(lambda chunks: launcher(), lambda: None, nested=nested)
    worker, solver = kernels.worker(dtype, lanes), kernels.solver(dtype, lanes, d)
    return Task(evaluation, shared, s, dtype, d, worker, solver, nested)


class Solved(NamedTuple):
    """What is known of some problems, with a row for each: loops/least_squares.py says what the columns are."""

    x: Any
    kept: Any
    normal: Any
    counts: Any
    cov: Any
    stderr: Any


def unsolved(X, points) -> Solved:
    """Problems that have not begun; ``points`` is how many residuals each has, or -1 where that is to be counted."""
    k, d = X.shape
    kept = np.full((k, POINTS + 1), np.nan)
    kept[:, KEPT_RADIUS], kept[:, POINTS] = -1.0, points
    counts = np.zeros((k, RANK + 1), np.int64)
    counts[:, STATUS] = RUNNING
    normal = np.full((k, d * (d + 1) // 2), np.nan, X.dtype)
    return Solved(X, kept, normal, counts, np.full((k, d, d), np.nan, X.dtype), np.full((k, d), np.nan, X.dtype))


def part_of(problems, begin, end) -> Any:
    return type(problems)(*(a[begin:end] for a in problems))


def solve(task, problems, args, limits, ends) -> bool:
    """Go on with some problems until each has ended, or until the time ``ends``: then False.

    ``args`` are their rows, ``limits`` (2, k, d), or (2, k, 0) without bounds.
    """
    run = _Run(task, problems, args, limits)
    while (problems.counts[:, STATUS] == RUNNING).any():
        if ends is not None and time.perf_counter() >= ends:
            return False
        run.slice()
    return True


class _Run:
    """Some problems, with the memory of lanes that the threads have for them."""

    def __init__(self, task, problems, args, limits):
        self.task, self.problems, self.args = task, problems, args
        self.limits = np.ascontiguousarray(limits)
        k = len(problems.x)
        self.rows = rows_of(args, k, task.dtype) if task.lanes > 1 else np.empty((k, 0), task.dtype)
        self.context = task.evaluation.kinds.context(args, task.shared, ())
        self.scale = np.zeros_like(problems.x)
        self.tests, self.memory = task.s.tests(task.dtype), []

    def slice(self):
        """One call of the loop, on as many threads as there are, and have problems."""
        plan = np.zeros(PLANNED, np.int64)
        plan[[EVALUATE, CONTEXT]] = self.task.evaluation.address, self.context.ctypes.data
        plan[ROBUST] = self.task.s.loss > 0
        plan[SOLVE] = address_of(self.task.solver, normal_equations.WORDS)
        plan[[MOST, BOUNDED, ABSOLUTE]] = self.task.s.most(self.task.d), self.limits.shape[2] > 0, self.task.s.absolute

        most = -(-len(self.problems.x) // HAND)

        def run(chunks, alone=False):
            chunks = min(chunks, most)
            with ticking() as tick:
                plan[[TICKS, LAST_TICK]] = tick
                jobs = [self._job(plan, k, chunks) for k in range(chunks)]
                words = np.stack([words for words, _ in jobs])
                if alone:
                    self.task.worker(words.ctypes.data)
                else:
                    address = address_of(self.task.worker, kernels.JOB)
                    launcher()(address, words.ctypes.data, words.strides[0], chunks)

        if most == 1:
            run(1, alone=True)
        else:
            in_threads(run, lambda: run(1, alone=True), nested=self.task.nested)

    def _job(self, plan, k, chunks):
        """The words of a job for one of the threads, and what they are the addresses of."""
        while len(self.memory) <= k:
            self.memory.append(self._memory())
        plan = plan.copy()
        plan[[BEGIN, END, CHUNKS]] = k * HAND, len(self.problems.x), chunks
        x, kept, normal, counts, cov, stderr = self.problems
        of_problems = x, self.scale, kept, normal, counts, cov, stderr, self.limits, self.rows
        values = (*of_problems, self.tests, plan, *self.memory[k])
        return described(values, kernels.job_of(self.task.dtype)), plan

    def _memory(self):
        """What a thread has of lanes."""
        L, d, dtype = self.task.lanes, self.task.d, self.task.dtype
        return (
            aligned((VECTORS, d, L), dtype),
            aligned((MATRICES, d + 1, d + 1, L), dtype),
            aligned((NUMBERS, L), dtype),
            aligned((self.rows.shape[1], L), dtype),
            aligned((3, ROOM), np.int64),
            aligned((d + 1, d), np.float64),
        )


def raised(task, problems, args, i) -> str:
    """What the function raises at problem i, by calling it once more."""
    L, d = task.lanes, task.d
    one = tuple(a[i : i + 1] for a in args)
    rows = np.repeat(rows_of(one, 1, task.dtype), L, axis=0).T.copy() if L > 1 else None
    context = task.evaluation.kinds.context(one, task.shared, ())
    x, gram = np.repeat(problems.x[i][:, None], L, axis=1), np.empty((d + 1, d + 1, L), task.dtype)
    which, share = 0 if rows is None else rows.ctypes.data, np.ones(L, task.dtype)
    try:
        addresses = (a.ctypes.data for a in (x, gram, share))
        task.evaluation.run(context.ctypes.data, which, *addresses, task.s.f_scale)
    except Exception as caught:
        return f"{type(caught).__name__}: {caught}"
    return "an exception that did not come again"


def has_raised(problems):
    return np.flatnonzero(problems.counts[:, STATUS] == RAISED)
