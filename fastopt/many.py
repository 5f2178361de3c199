"""Many independent minimisations at once, dealt out to the cores, each stopping by itself."""

import time
import warnings

import numpy as np
from numba import typeof, types

from .errors import describe
from .kernels import looped
from .kernels.loop import NIT, NONFINITE, RAISED, RUNNING, STATUS, VALUE
from .kernels.looped import Flags
from .kernels.threads import in_threads
from .minimize import (
    FIRST_SLICE,
    SUCCESS,
    argument_types,
    first_state,
    most_iterations,
    next_slice,
    restored_control,
    start,
)
from .objectives import compiled_plan, interpreted_plan, objective_of
from .progress import progress_bar
from .settings import settings

BLOCK = 1 << 15  # problems that are finished before others begin
LONGEST_TABLE = 4096  # rows


def minimize_many(fun, X0, args=(), shared=(), method="adam", jac=None, *, tol=None, options=None, progress=False):
    """Minimise k functions of d variables, independent of each other, in parallel over the problems.

    A problem that has converged costs nothing any more. The results do not depend on the number of threads.

    Parameters
    ----------
    fun : callable
        As for :func:`fastopt.minimize`; ``fun(x, grad, *rows, *shared)`` with ``jac="inplace"``. Compiled loops need a
        Numba function; a Python function works too, one problem after the other.
    X0 : array of shape (k, d)
        Where to start, float32 or float64; it is not written.
    args : tuple of arrays
        Arrays with leading axis k, of which problem i gets row i (a number, where the array has one dimension).
    shared : tuple
        Arguments that every problem gets whole, after its rows.
    method, jac, tol, options
        As for :func:`fastopt.minimize`; ``maxtime`` is that of the whole call.
    progress : bool
        Show a progress bar (needs the ``cli`` extra).

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x jac`` of shape (k, d), ``fun nit nfev njev status success`` of shape (k,). Where the objective raised an
        exception ``status`` is 5, a RuntimeWarning shows the first, and the other problems are not touched.

    Raises
    ------
    TypeError, ValueError
        As for :func:`fastopt.minimize`, and if an array of ``args`` has another leading axis.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def fun(x, grad, y, t):                  # fit y = a*exp(-b*t)
    ...     f, grad[:] = 0.0, 0.0
    ...     for j in range(t.size):
    ...         e = np.exp(-x[1] * t[j])
    ...         r = x[0] * e - y[j]
    ...         f += 0.5 * r * r
    ...         grad[0] += r * e
    ...         grad[1] -= r * x[0] * t[j] * e
    ...     return f
    >>> t = np.linspace(0, 2, 20)
    >>> a, b = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 1.5])
    >>> Y = a[:, None] * np.exp(-b[:, None] * t)
    >>> res = fastopt.minimize_many(fun, np.ones((3, 2)), (Y,), (t,), "adam", "inplace", options={"lr": 0.05})
    >>> res.x.round(3)
    array([[1. , 0.5],
           [2. , 1. ],
           [3. , 1.5]])
    """
    s = settings(method, options, tol)
    given = objective_of(fun, jac)
    X = _starts(X0)
    args = _rows(args, len(X))
    shared = shared if isinstance(shared, tuple) else (shared,)
    flags = Flags(
        reads_value=s.best or s.ftol > 0.0,
        bounded=False,
        keeps_best=s.best,
        stage=s.staged,
        clips_norm=s.clip_norm is not None,
        scheduled=bool(s.hyper.scheduled),
    )
    run = _Compiled if given.is_compiled else _Interpreted
    return _minimize(run(given, s, flags, X, args, shared), given, s, flags, X, progress)


def _minimize(run, given, s, flags, X, progress):
    from scipy.optimize import OptimizeResult

    k, d = X.shape
    run.numbers = np.zeros((k, 3))
    run.numbers[:, 2] = -1.0 if s.maximize else 1.0
    run.counts = np.zeros((k, 3), np.int64)
    run.counts[:, STATUS] = RUNNING
    run.G, run.old, run.best = np.zeros_like(X), X.copy(), X.copy() if s.best else X
    run.state = first_state(s, X)
    run.tests = np.array([test if test > 0.0 else -1.0 for test in (s.gtol, s.ftol, s.xtol)])
    run.most, run.reason = most_iterations(s, given, d, flags)
    ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
    with progress_bar(progress, k, "problems") as advance, restored_control(given):
        for begin in range(0, k, BLOCK):
            part = slice(begin, min(begin + BLOCK, k))
            if not run.block(part, ends):
                break
            advance(part.stop - part.start, "")
        status = run.counts[:, STATUS]
        status[status == RUNNING] = 7  # maxtime: nothing else leaves problems running
        if s.best:
            X[:] = run.best
        again = not flags.reads_value or s.best or bool((status == NONFINITE).any())
        if again:
            run.evaluate()
    nfev, njev = given.evaluations(run.counts[:, NIT] + 1, d, flags.reads_value)
    if again:
        more = given.evaluations(1, d, True)
        nfev, njev = nfev + more[0], njev + more[1]
    values = run.numbers[:, VALUE].copy()
    values[status == RAISED] = np.nan
    status[~np.isfinite(values) & (status != RAISED)] = NONFINITE
    if (status == RAISED).any():
        run.warn(np.flatnonzero(status == RAISED))
    return OptimizeResult(
        x=X, fun=values, jac=run.G, nit=run.counts[:, NIT].copy(), nfev=nfev, njev=njev,
        status=status.copy(), success=np.isin(status, SUCCESS),
    )  # fmt: skip


class _Run:
    """What both ways of running share: the problems, and the table that a slice's coefficients are made from."""

    def __init__(self, given, s, flags, X, args, shared):
        self.given, self.s, self.flags = given, s, flags
        self.X, self.args, self.shared = X, args, shared
        self.none = X[:0, 0]

    def hyper_rows(self, nit, limit):
        steps = range(nit + 1, nit + limit + 1) if self.flags.scheduled else (1,)
        return np.array([self.s.row(t) for t in steps])

    def limits(self, limit, nit):
        return limit, self.most, self.reason, nit

    def row(self, i):
        return (*(a[i] for a in self.args), *self.shared)

    def warn(self, raised):
        i = int(raised[0])
        others = f" (and {len(raised) - 1} more)" if len(raised) > 1 else ""
        error = "an exception that did not come again"
        try:
            with restored_control(self.given):
                self.once(i)
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}"
        warnings.warn(f"the objective of problem {i}{others} raised {error}", RuntimeWarning, stacklevel=4)

    def once(self, i):
        fun, jac = self.plan.addresses
        return self.plan.once(fun, jac, self.row(i), self.X[i], self.G[i], self.none, self.none)


class _Compiled(_Run):
    """Slices of iterations of a block of problems, each slice one call of compiled code."""

    def __init__(self, given, s, flags, X, args, shared):
        super().__init__(given, s, flags, X, args, shared)
        kinds = typeof(args) if args else types.Tuple(())
        whole = argument_types(shared) if shared else types.Tuple(())
        inline = True if s.inline is None else s.inline
        self.plans = [None, None]

        def plan(in_parallel):
            if self.plans[in_parallel] is None:
                plan = compiled_plan(given, s.rule, X.dtype, kinds, whole, flags, inline, in_parallel)
                self.plans[in_parallel] = plan
            return self.plans[in_parallel]

        self.plan_for = plan
        in_threads(lambda chunks: plan(True), lambda: plan(False))  # compiled now, so that maxtime does not pay for it
        self.width, self.takes_coefficients = looped.columns(s.rule, flags, True)

    @property
    def plan(self):
        return next(plan for plan in self.plans if plan is not None)

    def table(self, nit, limit):
        rows = self.hyper_rows(nit, limit)
        if not self.takes_coefficients:
            return rows
        out = np.empty((limit + 1, self.width))  # one more: the loop looks a step ahead
        looped.table_kernel(self.s.rule, self.flags.stage)(rows, tuple(rows[0].tolist()), nit, out)
        return out

    def block(self, part, ends):
        """Run the problems of a block to their ends; False if time ran out."""
        nit, limit = 0, FIRST_SLICE
        counts = self.counts[part, STATUS]
        while (counts == RUNNING).any():
            if ends is not None and time.perf_counter() >= ends:
                return False
            table = self.table(nit, limit)
            arguments = (
                self.X, self.G, self.old, self.best, self.state, table, tuple(table[0].tolist()),
                self.none, self.none, self.tests, self.numbers, self.counts, self.limits(limit, nit),
            )  # fmt: skip
            before = time.perf_counter()
            self.call("loop", part, *arguments)
            nit += limit
            limit = min(next_slice(limit, time.perf_counter() - before), LONGEST_TABLE)
        return True

    def evaluate(self):
        self.call("each", slice(0, len(self.X)), self.X, self.G, self.none, self.none, self.numbers, self.counts)

    def call(self, kernel, part, *arguments):
        def run(chunks, in_parallel=True):
            plan = self.plan_for(in_parallel)
            where = (part.start, part.stop, chunks)
            getattr(plan, kernel)(*plan.addresses, self.args, self.shared, *arguments, where)

        in_threads(run, lambda: run(1, False))


class _Interpreted(_Run):
    """One problem after the other, for Python functions."""

    def __init__(self, given, s, flags, X, args, shared):
        super().__init__(given, s, flags, X, args, shared)
        self.plan = interpreted_plan(given, s.rule, X.dtype, flags)

    def block(self, part, ends):
        for i in range(part.start, part.stop):
            while self.counts[i, STATUS] == RUNNING:
                if ends is not None and time.perf_counter() >= ends:
                    return False
                nit = int(self.counts[i, NIT])
                table = self.hyper_rows(nit, FIRST_SLICE)
                try:
                    self.plan.loop(
                        0, 0, self.row(i), self.X[i], self.G[i], self.old[i], self.best[i],
                        tuple(a[i] for a in self.state), table, tuple(table[0].tolist()), self.none, self.none,
                        self.tests, self.numbers[i], self.counts[i], self.limits(FIRST_SLICE, nit),
                    )  # fmt: skip
                except Exception:
                    self.counts[i, STATUS] = RAISED
        return True

    def evaluate(self):
        for i in np.flatnonzero(self.counts[:, STATUS] != RAISED):
            try:
                self.numbers[i, VALUE] = self.once(i)
            except Exception:
                self.counts[i, STATUS] = RAISED


def _starts(X0):
    X = np.asarray(X0)
    if X.ndim != 2:
        raise ValueError(f"X0 must have shape (k, d), got {X.shape}")
    return start(X.reshape(-1)).reshape(X.shape)


def _rows(args, k):
    args = args if isinstance(args, tuple) else (args,)
    for i, a in enumerate(args):
        if not isinstance(a, np.ndarray) or a.ndim == 0:
            raise TypeError(f"args[{i}] must be an array with a leading axis of problems, got {describe(a)}")
        if len(a) != k:
            raise ValueError(f"args[{i}] must have a leading axis of {k} problems, got shape {a.shape}")
    return args
