"""The problems of a ``minimize_many`` on their way: their iterates, and how to run a part of them."""

import time
from typing import Any

import numpy as np
from numba import typeof, types

from ..kernels import minimize as looped
from ..kernels.loops.minimize import NIT, RAISED, RUNNING, STATUS, VALUE
from ..kernels.slices import FIRST_SLICE, next_slice
from ..kernels.subnormals import restored_control
from ..kernels.threads import in_threads
from .arguments import argument_types
from .minimize import first_state, most_iterations
from .objective import Plan, compiled_plan, interpreted_plan

LONGEST_TABLE = 4096  # rows


class Problems:
    """What all kinds share: the table that coefficients come from, and going on in slices of iterations."""

    block: int  # problems that are finished before others begin

    def __init__(self, given, s, flags, k, d):
        self.given, self.s, self.flags, self.k, self.d = given, s, flags, k, d
        self.most, self.reason = most_iterations(s, given, d, flags)
        self.width, self.takes_coefficients = looped.columns(s.rule, flags, True)
        self.evaluates = not flags.reads_value or s.best  # at the end, where the value at x is not known

    def run(self, begin, end, ends):
        """Run the problems from ``begin`` to ``end`` until all have stopped; False if time ran out."""
        nit, limit, going = 0, FIRST_SLICE, True
        while going:
            if ends is not None and time.perf_counter() >= ends:
                return False
            before = time.perf_counter()
            going = self._slice(begin, end, nit, limit)
            nit += limit
            limit = min(next_slice(limit, time.perf_counter() - before), LONGEST_TABLE)
        return True

    def _slice(self, begin, end, nit, limit) -> bool:
        """``limit`` iterations, ``nit`` done before, of each problem that still runs; whether any does after them."""
        raise NotImplementedError

    def hyper_rows(self, nit, limit):
        steps = range(nit + 1, nit + limit + 1) if self.flags.scheduled else (1,)
        return np.array([self.s.row(t) for t in steps])

    def table(self, nit, limit):
        """What the loop takes for each step of a slice: the coefficients, the same for all problems."""
        rows = self.hyper_rows(nit, limit)
        if not self.takes_coefficients:
            return rows
        out = np.empty((limit + 1, self.width))  # one more: the loop looks a step ahead
        looped.table_kernel(self.s.rule, self.flags.stage)(rows, tuple(rows[0].tolist()), nit, out)
        return out


class HostProblems(Problems):
    """Arrays with a row per problem, of what the loop of loops/minimize.py keeps for one."""

    plan: Plan
    block = 1 << 15

    def __init__(self, given, s, flags, X, args, shared):
        super().__init__(given, s, flags, *X.shape)
        self.X, self.args, self.shared = X, args, shared
        self.G, self.best = np.zeros_like(X), X.copy() if s.best else X
        self.numbers = np.tile([0.0, 0.0, -1.0 if s.maximize else 1.0], (self.k, 1))
        self.counts = np.tile(np.array([0, RUNNING, 0]), (self.k, 1))
        self.problems = X, self.G, X.copy(), self.best, first_state(s, X), self.numbers, self.counts
        self.unbounded = (np.empty(0, X.dtype),) * 2

    def values(self):
        return self.numbers[:, VALUE]

    def take_best(self):
        self.X[:] = self.best

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
        return self.plan.once()(self.objective(i), self.X[i], self.G[i])

    def objective(self, i):
        row = (*(a[i] for a in self.args), *self.shared)
        return (*self.plan.addresses, row, *self.unbounded)


class CompiledProblems(HostProblems):
    """Each slice is one call of compiled code."""

    def __init__(self, given, s, flags, X, args, shared):
        super().__init__(given, s, flags, X, args, shared)
        kinds = typeof(args) if args else types.Tuple(())
        whole = argument_types(shared, "shared") if shared else types.Tuple(())
        inline = True if s.inline is None else s.inline
        self._plan_of = (given, s.rule, X.dtype, kinds, whole, flags, inline)
        # Compiled now, so that maxtime does not pay for it.
        self.plan = in_threads(lambda chunks: self._plan(True), lambda: self._plan(False))
        if self.evaluates:
            self.plan.each()

    def _plan(self, in_parallel) -> Any:
        return compiled_plan(*self._plan_of, in_parallel)

    def _slice(self, begin, end, nit, limit):
        table = self.table(nit, limit)
        course = table, tuple(table[0].tolist()), self.s.tests, (limit, self.most, self.reason, nit)
        self._call("loop", begin, end, self.problems, course)
        return (self.counts[begin:end, STATUS] == RUNNING).any()

    def evaluate(self):
        """Value and gradient of all problems, where they are."""
        self._call("each", 0, self.k, (self.X, self.G, self.numbers, self.counts))

    def _call(self, kernel, begin, end, *arguments):
        def run(chunks, in_parallel=True):
            plan = self._plan(in_parallel)
            objective = (*plan.addresses, self.args, *self.unbounded)
            (plan.loop if kernel == "loop" else plan.each())(objective, self.shared, *arguments, (begin, end, chunks))

        in_threads(run, lambda: run(1, False))


class InterpretedProblems(HostProblems):
    """One problem after the other, for Python functions."""

    def __init__(self, given, s, flags, X, args, shared):
        super().__init__(given, s, flags, X, args, shared)
        self.plan = interpreted_plan(given, s.rule, X.dtype, flags)

    def run(self, begin, end, ends):
        for i in range(begin, end):
            x, g, old, best, state, numbers, counts = self.problems
            problem = x[i], g[i], old[i], best[i], tuple(a[i] for a in state), numbers[i], counts[i]
            while self.counts[i, STATUS] == RUNNING:
                if ends is not None and time.perf_counter() >= ends:
                    return False
                nit = int(self.counts[i, NIT])
                table = self.hyper_rows(nit, FIRST_SLICE)
                try:
                    limit = FIRST_SLICE, self.most, self.reason, nit
                    course = table, tuple(table[0].tolist()), self.s.tests, limit
                    self.plan.loop(self.objective(i), problem, course)
                except Exception:
                    self.counts[i, STATUS] = RAISED
        return True

    def evaluate(self):
        for i in np.flatnonzero(self.counts[:, STATUS] != RAISED):
            try:
                self.numbers[i, VALUE] = self.once(i)
            except Exception:
                self.counts[i, STATUS] = RAISED
