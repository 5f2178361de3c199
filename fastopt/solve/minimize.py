"""SciPy-shaped minimisation by first-order rules, compiled as a whole where the objective is a Numba function."""

from numba import types

from ..kernels.minimize import Flags
from ..kernels.subnormals import restored_control
from .arguments import argument_types, collector, limits, notifier, scales, start
from .endings import SUCCESS
from .objective import compiled_plan, interpreted_plan, objective_of, reads_value, with_gradient
from .options import settings
from .run import Run

INLINE_FROM = 50_000  # iterations that pay for compiling the objective into the loop


NO_TYPES = types.Tuple(())


def minimize(fun, x0, args=(), method=None, jac=None, *, bounds=None, tol=None, callback=None, options=None):
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
        The starting point. float32 stays float32, integers become float64; it is not written. ``fun`` and ``jac`` may
        overwrite the x that they are given: it is a copy, or a Numba function that writes to it gets one.
    args : tuple
        Further arguments of ``fun`` and ``jac``; arrays and numbers, if these are Numba functions.
    method : str, Rule or None
        None is "memoryless_bfgs", and where ``bounds`` are given "rprop" with ``step_sizes=(1e-14, 1e6)``, which find
        their own steps: measured as the best without tuning (:mod:`fastopt.solve` says where they are not). Or "adam",
        "nesterov" and so on (``fastopt rules`` lists them), or a rule of your own. There what decides is ``lr``: for
        "adam" begin with about a hundredth of the distance to go, for "gd", "momentum" and "nesterov" with one over the
        largest curvature. Divide it by 3 where a run diverges or goes up and down, multiply it by 3 where it is still
        falling at ``maxiter``.
    jac : callable, True, "inplace", "forward", "2-point", "3-point", "cs" or None
        The gradient as a function ``jac(x, *args)``; or how ``fun`` returns it (True, "inplace", which must write every
        element); or "forward": ``fun`` is a Numba function that returns the value alone, and dual numbers that are run
        through it give the gradient, exact to rounding; or finite differences ("2-point", "3-point") or the complex
        step ("cs"). None is "forward" for a Numba function and "3-point" for a Python function: the rounding in
        "2-point" is often larger than ``gtol``. `fastopt.check_grad` tests a gradient.
    bounds : sequence of (low, high), or scipy.optimize.Bounds, optional
        Lowest and highest value of each variable; None for no bound. Every iterate is projected onto them.
    tol : float, optional
        Sets ``gtol``.
    callback : callable, optional
        Called after each iteration as ``callback(xk)``, or with an OptimizeResult if its one parameter is named
        ``intermediate_result``. It is given copies. Raising StopIteration ends the minimisation with status 99.
    options : dict, optional
        The constructor's keywords (``lr``, ``betas``, ``weight_decay``, ``clip_norm``, schedules, ...; with
        ``method=None`` those of the rule that it is), and

        - gtol (1e-5): stop when max|g| is at most this (with bounds of the projected gradient),
        - ftol (0): stop when \\|f - f_before| <= ftol*max(1, \\|f|),
        - xtol (0): stop when max|x - x_before| <= xtol*max(1, max|x|); both from the second iteration on, for there are
          rules that only look around in the first (trials of "memoryless_bfgs" count, of which some are short: of the
          problems in :mod:`fastopt.solve` ftol=1e-9 alone solves 33, xtol=1e-8 28),
        - maxiter (10000), maxtime (None, in seconds),
        - maxfun (None): the most calls of ``fun``, exceeded by those of one gradient at most; where it is given, a
          value that is not finite ends the run on its way, as with ``ftol`` and ``best``,
        - maximize (False): go uphill, to the largest value,
        - before, after, cautious: what is done to each gradient and each new x, as in :class:`fastopt.Optimizer`,
        - x_scale (None): the size of each variable, an array like x0; steps are taken in x / x_scale, with one lr for
          all, while tolerances, bounds and ``jac`` are those of x,
        - best (False): return the best iterate, not the last,
        - disp (False): print how it ended; return_all (False): list the iterates in ``allvecs``,
        - inline (None): whether to compile a Numba objective into the loop, which is fastest per iteration, but costs a
          compilation for each objective. None does so from maxiter = 50000 on.

        0 turns a test off. ``maxtime`` and Ctrl-C hold within 0.2 seconds and the evaluation that is on its way;
        ``maxtime`` leaves one evaluation more for the end, where the value at ``x`` is not known yet. A schedule is
        asked for each step once, in order, and for none after ``maxiter``; as loops ask ahead, a run that another test
        stops may have asked for 8 steps more than it took, or for an eighth more.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x fun jac nit nfev njev status success message``; ``fun`` and ``jac`` are those at ``x``. ``status`` is 0
        gtol, 1 maxiter, 2 ftol, 3 not finite, 4 xtol, 6 maxfun, 7 maxtime, 8 diverged,
        99 callback; ``success`` is 0, 2 or 4; ``message`` says it in words, and what may help.

    Raises
    ------
    TypeError, ValueError
        For an unknown option, a value out of range, or an objective with the wrong signature; in one sentence.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def fun(x, centre):
    ...     return np.sum((x - centre) ** 2)
    >>> centre = np.array([1.0, -2.0])
    >>> res = fastopt.minimize(fun, np.zeros(2), (centre,))
    >>> res.success, res.x.round(3)
    (True, array([ 1., -2.]))

    With the gradient written by hand, in place:

    >>> @njit
    ... def fun(x, grad, centre):
    ...     grad[:] = 2 * (x - centre)
    ...     return np.sum((x - centre) ** 2)
    >>> res = fastopt.minimize(fun, np.zeros(2), (centre,), "adam", "inplace", options={"lr": 0.1})
    >>> res.success, res.x.round(3)
    (True, array([ 1., -2.]))
    """
    s = settings(method, options, tol, bounds is not None)
    if s.lanes is not None:
        raise ValueError(f"lanes must be left out for one problem, got {s.lanes}")
    given = objective_of(fun, jac)
    x = start(x0)
    s.check_fits(x.dtype)
    low, high = limits(bounds, x)
    scale = scales(s.x_scale, x)
    args = args if isinstance(args, tuple) else (args,)
    notify = None if callback is None else notifier(callback)
    flags = Flags(
        reads_value=reads_value(given, s) or callback is not None,
        bounded=low.size > 0,
        keeps_best=s.best,
        stage=s.staged,
        clips_norm=s.clip_norm is not None,
        scheduled=bool(s.hyper.scheduled),
        scaled=scale.size > 0,
    )
    given = with_gradient(given, x.size)
    if given.is_compiled:
        inline = s.inline if s.inline is not None else s.maxiter >= INLINE_FROM
        kinds = argument_types(args) if args else NO_TYPES
        plan = compiled_plan(given, s.rule, x.dtype, kinds, flags, inline)
    else:
        plan = interpreted_plan(given, s.rule, x.dtype, flags)
    return _result(Run(plan, given, s, flags, args, x, low, high, scale), notify)


def _result(run, notify):
    from scipy.optimize import OptimizeResult  # not at import: it takes a fifth of a second

    more = {}
    if run.s.return_all:
        more["allvecs"] = [run.x.copy()]
        notify = collector(more["allvecs"], notify)
    with restored_control(run.given.is_compiled):
        value, status, message = run.end(run.go(notify))
    if run.s.disp:
        print(f"{message}\n  fun: {value:g}, nit: {run.nit}, nfev: {run.evaluations[0]}")
    nfev, njev = run.evaluations
    return OptimizeResult(
        x=run.x, fun=value, jac=run.g, nit=run.nit, nfev=nfev, njev=njev,
        status=status, success=status in SUCCESS, message=message, **more,
    )  # fmt: skip
