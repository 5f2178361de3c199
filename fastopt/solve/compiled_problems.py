"""The problems of a ``minimize_many`` of a Numba function: on lanes, and dealt out to the threads."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import typeof

from ..kernels import many
from ..kernels.addresses import address_of
from ..kernels.described import described
from ..kernels.digest import may_launch
from ..kernels.loops.lanes import (
    APART,
    BEGIN,
    BOUNDED,
    CHANGE,
    CHUNKS,
    CLIPS_NORM,
    CONTEXT,
    CORRECT,
    END,
    EVALUATE,
    FIRST,
    FIRST_KEPT,
    KEEPS_BEST,
    LAST_TICK,
    MEASURES_STEPS,
    MOST,
    PLANNED,
    READS_VALUE,
    REASON,
    SCALED,
    STAGED,
    STATE,
    STEP,
    TICKS,
    UNTIL,
)
from ..kernels.loops.many import HAND
from ..kernels.loops.minimize import EVALUATED, GTOL, KEPT, MAXITER, NIT, RAISED, RUNNING, STATUS, VALUE
from ..kernels.modifiers import HYPER, STAGES
from ..kernels.slices import ticking
from ..kernels.threads import in_threads
from .evaluation import evaluation_of
from .host_problems import HostProblems
from .problem_set import Kept
from .unwritten import MARKS

ROOM = 16  # numbers of a kind that lanes have in memory at the least, so that threads share no cache line
LINE = 64  # bytes of one
OFF = np.array([-1.0, -1.0, -1.0])  # every test


class Memory(NamedTuple):
    """What one thread has of lanes: loops/many.py says what each is."""

    lanes: Any
    c: Any
    row: Any
    found: Any
    at: Any


class CompiledProblems(HostProblems):
    """Each slice is one call of compiled code. ``kinds`` are the Numba types of ``args``, where they are known."""

    def __init__(self, target, given, s, flags, X, args, shared, limited, kinds=None):
        super().__init__(target, given, s, flags, X, args, shared, limited)
        self.kinds = kinds_of(args) if kinds is None else kinds
        self.evaluation = self._evaluation_of(flags.reads_value, 1 if s.rule.reduces else s.lanes)
        self.lanes, L = self.evaluation.lanes, self.evaluation.lanes
        self.rows = rows_of(args, self.k, self.dtype) if L > 1 else np.empty((self.k, 0), self.dtype)
        self.context = self.evaluation.kinds.context(args, shared, limited[:2])
        self.numbers_of_limits = np.stack(_limits(limited, X)) if flags.bounded or flags.scaled else X[None, :, :0][:0]
        self.nested = cache(lambda: may_launch(given.fun, given.jac, *self.evaluation.kinds.given()))
        self.memory: list = []
        # Compiled now, so that maxtime does not pay for it.
        self.worker = many.worker(self.dtype, L)
        in_threads(lambda chunks: many.launcher(), lambda: None, nested=self.nested)
        self.steps = [address_of(many.step(s.rule, self.dtype, L), many.WORDS)]
        self.steps += [
            address_of(many.changer(name, s.rule, self.dtype, L), many.JOB) if wanted else 0
            for name, wanted in (("change", s.staged or flags.scaled), ("correct", flags.bounded or flags.scaled))
        ]

    def _evaluation_of(self, reads_value, lanes):
        return evaluation_of(self.given, self.start, self.args, self.kinds, self.shared, reads_value, lanes)

    def prepare(self):
        many.table_kernel(self.s.rule)
        if self.evaluates:
            self._evaluation_of(True, self.lanes)

    def place(self, X0):
        """One array of all that is known of the iterates."""
        s, (k, d) = self.s, X0.shape
        self.matrices = np.empty((4 + len(s.rule.state), k, d), self.dtype)
        x, g, old, best, *state = self.matrices
        for a in (x, old, best):
            a[:] = X0
        g.fill(MARKS[self.dtype.itemsize])
        for slot, a in zip(s.rule.state, state):
            a.fill(s.hyper.start.get(slot, 0.0))
        self.start = X0
        numbers = np.tile(s.first_numbers, (k, 1))
        self.kept = Kept(x, g, old, best, tuple(state), numbers, np.tile(np.array([0, RUNNING, 0]), (k, 1)))

    # --- the coefficients ----------------------------------------------------------------------------------------

    def row_of(self, t):
        return self.s.whole_row(t)

    def no_row(self):
        return (0.5,) * (len(self.s.rule.hyper) + len(HYPER) + self.flags.clips_norm)

    def table(self, rows, nit, limit):
        """The coefficients of the rule and of the stage, and the norm to clip to, if there is one."""
        own, clips = self.s.rule.width + STAGES, self.flags.clips_norm
        rows = np.array(rows, ndmin=2)
        out = np.empty((limit, own + clips))
        if clips:
            out[:, -1] = np.resize(rows[:, -1], limit)
        rows = np.ascontiguousarray(rows[:, : rows.shape[1] - clips])
        many.table_kernel(self.s.rule)(rows, tuple(rows[0].tolist()), nit, out)
        return out

    # --- running -------------------------------------------------------------------------------------------------

    def _slice(self, begin, end, nit, limit, table):
        s, flags = self.s, self.flags
        numbers = {
            UNTIL: nit + limit, MOST: self.most, REASON: self.reason, FIRST: nit, READS_VALUE: flags.reads_value,
            KEEPS_BEST: s.best, STAGED: s.staged, CLIPS_NORM: flags.clips_norm, BOUNDED: flags.bounded,
            SCALED: flags.scaled, MEASURES_STEPS: s.xtol > 0.0,
        }  # fmt: skip
        self._run(
            self.evaluation, self.matrices, self.kept.numbers, self.kept.counts, (begin, end), table, s.tests, numbers
        )
        counts = self.kept.counts[begin:end]
        still = counts[:, STATUS] == RUNNING
        return int(counts[still, NIT].min()) if still.any() else None

    def _run(self, evaluation, matrices, numbers, counts, part, table, tests, plan):
        """One call of the loop, on as many threads as there are."""
        changing = np.flatnonzero((table[1:, : self._own()] != table[0, : self._own()]).any(axis=0))
        whole = np.zeros(PLANNED, np.int64)
        whole[list(plan)] = list(plan.values())
        whole[[EVALUATE, CONTEXT]] = evaluation.address, self.context.ctypes.data
        whole[[STEP, CHANGE, CORRECT]] = self.steps
        whole[[FIRST_KEPT, APART]] = numbers.ctypes.data + KEPT * numbers.itemsize, numbers.strides[0]
        given = matrices, numbers, counts, self.numbers_of_limits, self.rows, table, tests, changing

        def run(chunks, alone=False):
            with ticking() as tick:
                whole[[TICKS, LAST_TICK]] = tick
                jobs = [self._job(given, whole, part, k, chunks) for k in range(chunks)]
                words = np.stack([words for words, _ in jobs])
                if alone:
                    self.worker(words.ctypes.data)
                else:
                    address = address_of(self.worker, many.JOB)
                    many.launcher()(address, words.ctypes.data, words.strides[0], chunks)

        in_threads(run, lambda: run(1, alone=True), nested=self.nested)

    def _own(self):
        return self.s.rule.width + STAGES

    def _job(self, given, plan, part, k, chunks):
        """The words of a job for one of the threads, and what they are the addresses of."""
        while len(self.memory) <= k:
            self.memory.append(self._memory())
        plan = plan.copy()
        plan[[BEGIN, END, CHUNKS]] = part[0] + k * HAND, part[1], chunks
        values = (*given, plan, *self.memory[k])
        return described(values, many.job_of(self.dtype)), plan

    def _memory(self):
        L, dtype = self.lanes, self.dtype
        return Memory(
            aligned((STATE + len(self.s.rule.state), self.d, L), dtype),
            aligned((self._own(), L), dtype),
            aligned((self.rows.shape[1], L), dtype),
            aligned((2, ROOM), np.float64),
            aligned((5, ROOM), np.int64),
        )

    # --- evaluations beside those of the loop --------------------------------------------------------------------

    def _evaluate(self, x, g, numbers, marks):
        """A run of no iterations."""
        due = (marks[:, STATUS] != RAISED) & (marks[:, STATUS] != EVALUATED)
        matrices, counts = np.stack([x, g, x]), np.zeros((self.k, 3), np.int64)
        counts[:, STATUS] = np.where(due, RUNNING, GTOL)
        values = np.tile([0.0, 0.0, 1.0, np.nan], (self.k, 1))
        table, plan = np.zeros((1, self._own())), {REASON: MAXITER, READS_VALUE: 1}
        evaluation = self._evaluation_of(True, self.lanes)
        while (counts[:, STATUS] == RUNNING).any():
            self._run(evaluation, matrices, values, counts, (0, self.k), table, OFF, plan)
        g[due], numbers[due, VALUE] = matrices[1][due], values[due, VALUE]
        marks[due, STATUS] = np.where(counts[due, STATUS] == RAISED, RAISED, EVALUATED)

    def once(self, i):
        """One lane in all."""
        L = self.lanes
        x, g = (np.repeat(a[i][:, None], L, axis=1) for a in (self.kept.x, self.kept.g))
        rows, found = np.repeat(self.rows[i][:, None], L, axis=1), np.empty(L)
        which = i if L == 1 else rows.ctypes.data
        addresses = (a.ctypes.data for a in (x, g, found))
        self.evaluation.run(self.context.ctypes.data, which, *addresses, self.d)


def kinds_of(args):
    """The Numba types of arrays."""
    return tuple(typeof(args)) if args else ()


def aligned(shape, dtype):
    """Zeros from the beginning of a cache line on: no vector of lanes lies on two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    whole = np.zeros(size + LINE, np.uint8)
    first = -whole.ctypes.data % LINE
    return whole[first : first + size].view(dtype).reshape(shape)


def _limits(limited, X):
    """Of bounds and the scale, each a matrix, the slots of loops/many.py that follow each other."""
    none = -np.inf, np.inf, 1.0
    return [a if a.shape == X.shape else np.full_like(X, value) for a, value in zip(limited, none)]


def rows_of(args, k, dtype):
    """Of each problem what it has in args, as one row."""
    flat = [a.reshape(k, math.prod(a.shape[1:])) for a in args]
    if not flat:
        return np.empty((k, 0), dtype)
    # In C order, whatever theirs: NumPy keeps that of arrays in Fortran order.
    return np.ascontiguousarray(flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1))
