"""SciPy-shaped minimisation by first-order rules, compiled as a whole where the objective is a Numba function."""

import math
import time

import numpy as np
from numba import types

from ..kernels.loops.minimize import CALLBACK, MAXFUN, MAXITER, MAXTIME, NIT, NONFINITE, RUNNING, STATUS
from ..kernels.minimize import Flags
from ..kernels.slices import FIRST_SLICE, next_slice
from ..kernels.subnormals import restored_control
from .arguments import argument_types, limits, notifier, start
from .objective import compiled_plan, interpreted_plan, objective_of
from .options import settings
from .unwritten import refuse_unwritten, unwritten

LONGEST_FIRST = 1024  # iterations to begin with, where an objective was measured before


INLINE_FROM = 50_000  # iterations that pay for compiling the objective into the loop


NO_TYPES = types.Tuple(())


MESSAGES = {
    0: "The gradient is at most gtol.",
    1: "maxiter iterations are done.",
    2: "The value changed by at most ftol.",
    3: "The value or the gradient is not finite; x is the last iterate known to be finite.",
    4: "x changed by at most xtol.",
    5: "The objective raised an exception.",
    6: "maxfun evaluations are done.",
    7: "maxtime is over.",
    99: "The callback asked to stop.",
}


SUCCESS = (0, 2, 4)


def minimize(fun, x0, args=(), method="adam", jac=None, *, bounds=None, tol=None, callback=None, options=None):
    """Minimise a function of several variables by a first-order rule; the shape is that of ``scipy.optimize.minimize``.

    If ``fun`` (and ``jac``, where it is a function) are Numba functions, the whole loop is compiled: evaluation, tests
    and update, without Python in between. In such a loop, and in the objective, values below the smallest normal
    number count as zero.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``; with ``jac=True`` it returns ``(f, g)``; with ``jac="inplace"`` it is
        ``fun(x, grad, *args) -> float`` and writes the gradient into ``grad``, which is the fastest.
    x0 : array of shape (d,)
        The starting point. float32 stays float32, integers become float64; it is not written.
    args : tuple
        Further arguments of ``fun`` and ``jac``; arrays and numbers, if these are Numba functions.
    method : str or Rule
        "adam", "nesterov" and so on (``fastopt rules`` lists them), or a rule of your own.
    jac : callable, True, "inplace", "2-point", "3-point" or "cs"
        The gradient as a function ``jac(x, *args)``; or how ``fun`` returns it (True, "inplace"); or finite differences
        ("2-point", "3-point") or the complex step ("cs").
    bounds : sequence of (low, high), or scipy.optimize.Bounds, optional
        Lowest and highest value of each variable; None for no bound. Every iterate is projected onto them.
    tol : float, optional
        Sets ``gtol``.
    callback : callable, optional
        Called after each iteration as ``callback(xk)``, or with an OptimizeResult if its one parameter is named
        ``intermediate_result``. It is given copies. Raising StopIteration ends the minimisation with status 99.
    options : dict, optional
        The constructor's keywords (``lr``, ``betas``, ``weight_decay``, ``clip_norm``, schedules, ...), and

        - gtol (1e-5): stop when max|g| is at most this (with bounds of the projected gradient),
        - ftol (0): stop when \\|f - f_before| <= ftol*max(1, \\|f|),
        - xtol (0): stop when max|x - x_before| <= xtol*max(1, max|x|),
        - maxiter (10000), maxfun (None), maxtime (None, in seconds),
        - best (False): return the best iterate, not the last,
        - inline (None): whether to compile a Numba objective into the loop, which is fastest per iteration, but costs a
          compilation for each objective. None does so from maxiter = 50000 on.

        0 turns a test off.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x fun jac nit nfev njev status success message``; ``fun`` and ``jac`` are those at ``x``. ``status`` is 0
        gtol, 1 maxiter, 2 ftol, 3 not finite, 4 xtol, 6 maxfun, 7 maxtime, 99 callback; ``success`` is 0, 2 or 4.

    Raises
    ------
    TypeError, ValueError
        For an unknown option, a value out of range, or an objective with the wrong signature; in one sentence.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def fun(x, grad, centre):
    ...     grad[:] = 2 * (x - centre)
    ...     return np.sum((x - centre) ** 2)
    >>> centre = np.array([1.0, -2.0])
    >>> res = fastopt.minimize(fun, np.zeros(2), (centre,), "adam", "inplace", options={"lr": 0.1})
    >>> res.success, res.x.round(3)
    (True, array([ 1., -2.]))
    """
    s = settings(method, options, tol)
    given = objective_of(fun, jac)
    x = start(x0)
    low, high = limits(bounds, x)
    args = args if isinstance(args, tuple) else (args,)
    notify = None if callback is None else notifier(callback)
    flags = Flags(
        reads_value=s.best or s.ftol > 0.0 or callback is not None,
        bounded=low.size > 0,
        keeps_best=s.best,
        stage=s.staged,
        clips_norm=s.clip_norm is not None,
        scheduled=bool(s.hyper.scheduled),
    )
    if given.is_compiled:
        inline = s.inline if s.inline is not None else s.maxiter >= INLINE_FROM
        kinds = argument_types(args) if args else NO_TYPES
        plan = compiled_plan(given, s.rule, x.dtype, kinds, None, flags, inline)
    else:
        plan = interpreted_plan(given, s.rule, x.dtype, flags)
    return _run(plan, given, s, flags, args, x, low, high, notify)


def _run(plan, given, s, flags, args, x, low, high, notify):
    from scipy.optimize import OptimizeResult  # not at import: it takes a fifth of a second

    objective = (*plan.addresses, args, low, high)
    g, best = unwritten(x.shape, x.dtype), x.copy() if s.best else x
    numbers, counts = np.array([0.0, 0.0, -1.0 if s.maximize else 1.0]), np.array([0, RUNNING, 0])
    problem = x, g, x.copy(), best, first_state(s, x), numbers, counts
    most, reason = most_iterations(s, given, x.size, flags)
    table, like = s.first_rows
    sizes = (x.size, *(getattr(a, "size", 1) for a in args))
    limit = plan.pace.get(sizes, FIRST_SLICE) if notify is None else 1
    evaluates = not flags.reads_value or s.best  # at the end, where the value at x is not known
    if evaluates:
        plan.once()  # compiled now, so that maxtime does not pay for it
    began, told, status = time.perf_counter(), 0, RUNNING
    with restored_control(given.is_compiled):
        while status == RUNNING:
            nit = int(counts[NIT])
            if s.hyper.scheduled:
                table = np.array([s.row(nit + k) for k in range(1, limit + 1)])
            before = time.perf_counter()
            plan.loop(objective, problem, (table, like, s.tests, (limit, most, reason, nit)))
            status = int(counts[STATUS])
            now = time.perf_counter()
            if notify is not None and counts[NIT] > told and status != NONFINITE:
                told = int(counts[NIT])
                try:
                    notify(OptimizeResult(x=x.copy(), fun=float(numbers[0])))
                except StopIteration:
                    status = CALLBACK
            elif notify is None:
                limit = next_slice(limit, now - before)
            if status == RUNNING and s.maxtime is not None and now - began >= s.maxtime:
                status = MAXTIME
        if notify is None:
            plan.pace[sizes] = min(limit, LONGEST_FIRST)
        nfev, njev = given.evaluations(int(counts[NIT]) + 1, x.size, flags.reads_value)
        value = float(numbers[0])
        if s.best:
            x[:] = best
        if evaluates or status == NONFINITE:
            value = float(plan.once()(objective, x, g))
            more = given.evaluations(1, x.size, True)
            nfev, njev = nfev + more[0], njev + more[1]
    if given.form == "inplace" and status == NONFINITE and not counts[NIT]:
        refuse_unwritten(g, value)
    if not math.isfinite(value):
        status = NONFINITE
    return OptimizeResult(
        x=x, fun=value, jac=g, nit=int(counts[NIT]), nfev=nfev, njev=njev,
        status=status, success=status in SUCCESS, message=MESSAGES[status],
    )  # fmt: skip


def first_state(s, x):
    """The state arrays of a rule for parameters x."""
    state = tuple(np.zeros(x.shape, x.dtype) for _ in s.rule.state)
    for slot, start_value in s.hyper.start.items():
        state[s.rule.state.index(slot)].fill(start_value)
    return state


def most_iterations(s, given, d, flags):
    """After how many iterations to stop, and with which status."""
    if s.maxfun is None:
        return s.maxiter, MAXITER
    per_point = max(given.evaluations(1, d, flags.reads_value))
    at_end = 0 if flags.reads_value and not s.best else given.evaluations(1, d, True)[0]
    points = max(1, (s.maxfun - at_end) // per_point)
    return (points - 1, MAXFUN) if points - 1 < s.maxiter else (s.maxiter, MAXITER)
