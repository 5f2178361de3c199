"""Many independent minimisations at once, dealt out to the cores, each stopping by itself."""

import time
import warnings

import numpy as np

from ..arrays.host import refuse_device
from ..distributed.executors import dealing
from ..errors import describe
from ..kernels.loops.minimize import RAISED
from ..kernels.minimize import Flags
from ..progress import progress_bar
from ..targets.places import target_of
from .arguments import limits, scales, starts
from .chunks import Common, in_chunks, none_of
from .endings import of_raised
from .many_ended import result_of, solved
from .objective import objective_of, reads_value
from .options import settings


def minimize_many(
    fun,
    X0,
    args=(),
    shared=(),
    method="adam",
    jac=None,
    *,
    bounds=None,
    tol=None,
    options=None,
    progress=False,
    executor=None,
    num_workers=None,
    chunk=None,
):
    """Minimise k functions of d variables, independent of each other, in parallel over the problems.

    A problem that has converged takes no more time. The results do not depend on the number of threads.

    If X0 is on a GPU, the problems are solved there, one thread for each. ``fun`` is then a Numba function,
    ``@cuda.jit(device=True)`` or ``@njit``, with the same signature and with ``jac`` "inplace", "forward" (which None
    is, and which takes up to 256 variables), "2-point" or "3-point"; it is given strided views, and must not allocate
    arrays.

    Parameters
    ----------
    fun : callable
        As for :func:`fastopt.minimize`: ``fun(x, *rows, *shared)``, or ``fun(x, grad, *rows, *shared)`` with
        ``jac="inplace"``. A Numba function runs in parallel; a Python function works too, one problem after another.
    X0 : array of shape (k, d)
        Where to start, float32 or float64; it is not written.
    args : tuple of arrays
        Arrays whose first axis has length k: problem i is given row i (a number, if the array is one-dimensional). On
        a GPU if X0 is.
    shared : tuple
        Arrays and numbers that every problem is given as they are, after its rows. On a GPU if X0 is.
    bounds : sequence of d pairs (low, high), or scipy.optimize.Bounds of shape (d,) or (k, d), optional
        As for :func:`fastopt.minimize`, for all problems or for each. Refused on a GPU, as ``x_scale`` is.
    method, jac, tol, options
        As for :func:`fastopt.minimize` (``method=None`` too, but left out it is "adam"), but for ``inline``, ``disp``
        and ``return_all``. Also what is said on ``lr`` there: one is chosen for all problems, so bring them to one
        scale, and try it on a few. ``maxtime`` limits the whole call: within 0.2 seconds and one evaluation in each
        thread, as Ctrl-C; where ``jac`` is a function or ``best`` is wanted, one more of each problem that was begun is
        left for the end. With ``maxtime`` a value that is not finite ends its problem on the way. A schedule is asked
        for each step once, for all problems.

        There is one option more, ``lanes`` (None): how many problems are solved side by side in a vector register, 1,
        2, 4, 8 or 16. None is 8 of float64 or 16 of float32, up to d = 256, where that can be: ``fun`` is a Numba
        function, ``jac`` no differences, it does the same for every x and row, without ``if`` on them
        (:func:`numpy.where` and the like may choose), and ``args`` have the dtype of X0; else it is 1. ``fun`` is not
        changed for it, but compiled for vectors, in which a division by zero is infinite and raises nothing. A
        problem's result never depends on its neighbours; on 1 lane it is the same to rounding.
    progress : bool
        Show a progress bar (needs the ``cli`` extra).
    executor : concurrent.futures.Executor, optional
        Who solves the problems, in chunks, to the same bits: Python's pools, Dask's ``client.get_executor()``, mpi4py's
        ``MPIPoolExecutor``, loky; see `fastopt.distributed`. Refused on a GPU. A function of a module is imported in
        each worker; one of a script, or made within a function, is compiled there (85 ms instead of 15 for ten lines).
        ``maxtime`` is for the whole call; Ctrl-C cancels what no worker has begun.
    num_workers : int, optional
        How many workers the executor has; None is what it says, or the number of cores.
    chunk : int, optional
        How many problems go out together; None is about a quarter of a worker's share.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x jac`` of shape (k, d), ``fun nit nfev njev status success`` of shape (k,), ``message``, one string that
        counts how they ended, and ``lanes``, how many were solved side by side. ``status`` is as in
        :func:`fastopt.minimize`, and 5 where the objective raised an exception, which leaves the other problems
        unaffected. Of problems that were not begun before ``maxtime`` was over ``fun`` and ``jac`` are NaN and ``nfev``
        is 0. For X0 on a GPU ``x`` and ``jac`` are there too (PyTorch's or CuPy's arrays if X0 is, else Numba's); the
        others are NumPy arrays.

    Warns
    -----
    RuntimeWarning
        Once, with ``message``, if a problem did not succeed (unless every test is off), and with what was raised first.

    Raises
    ------
    TypeError, ValueError
        As for :func:`fastopt.minimize`; also if an array in ``args`` has another length or is not where X0 is.
    RuntimeError
        If X0 is on a GPU and CUDA does not work.
    Exception
        What an executor raises of its own, as where it was shut down or a worker died; nothing is written then.

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
    dealt = dealing(executor, num_workers, chunk)
    s = settings(method, options, tol, bounds is not None)
    for name, out in (("disp", False), ("return_all", False), ("inline", None)):
        if getattr(s, name) is not out:
            raise ValueError(f"{name} must be left out for many problems, got {getattr(s, name)}")
    given = objective_of(fun, jac)
    args, shared = (a if isinstance(a, tuple) else (a,) for a in (args, shared))
    owes = s.maxtime is not None and given.form != "jac"  # an evaluation of each problem at the end, or reads the value
    flags = Flags(
        reads_value=reads_value(given, s) or owes,
        bounded=bounds is not None,
        keeps_best=s.best,
        stage=s.staged,
        clips_norm=s.clip_norm is not None,
        scheduled=bool(s.hyper.scheduled),
        scaled=s.x_scale is not None,
    )
    if (target := target_of([("X0", X0)])).is_gpu:
        only_here = {"bounds": bounds, "x_scale": s.x_scale, "executor": executor}
        problems = _on_gpu(target, given, s, flags, X0, args, shared, only_here)
    else:
        rows, common = _rows(given, s, X0, args, bounds), Common(given, (method, options, tol), s, flags, shared)
        problems = common.problems(rows) if dealt is None else none_of(common, rows)
    ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
    with progress_bar(progress, problems.k if dealt is None else len(rows[0]), "problems") as advance:
        if dealt is None:
            outcome, raised = solved(problems, ends, advance)
        else:
            outcome, raised = in_chunks(dealt, common, rows, problems, ends, advance)
    result = result_of(outcome, problems)
    if not result.success.all():
        _warn(s, result, raised)
    return result


def _on_gpu(target, given, s, flags, X0, args, shared, only_here):
    from .device_problems import DeviceProblems

    refuse_on_gpu(s, **only_here)
    return DeviceProblems(target, given, s, flags, X0, args, shared)


def refuse_on_gpu(s, **only_here):
    """Raise where something is given that is for arrays on the CPU alone."""
    for name, value in only_here.items():
        if value is not None:
            raise ValueError(f"{name} must be left out for arrays on the GPU, got {describe(value)}")
    _refuse_lanes(s, "a thread of the GPU has one problem")


def _rows(given, s, X0, args, bounds):
    """What each problem has of its own, as arrays with a row for each (chunks.py)."""
    X = starts("X0", X0)
    check_rows(args, len(X))
    limited = (*limits(bounds, X), scales(s.x_scale, X))
    if s.rule.reduces:
        _refuse_lanes(s, f"{s.rule.name} sums over the variables of one problem at a time")
    if not given.is_compiled:
        _refuse_lanes(s, "a Python function is called for one problem at a time")
    return X, *limited, *args


def _refuse_lanes(s, why):
    if s.lanes not in (None, 1):
        raise TypeError(f"lanes must be None or 1 here, got {s.lanes}: {why}")


def _warn(s, result, text):
    """Say how many problems failed, unless no test could end any, and what the first one raised."""
    raised = np.flatnonzero(result.status == RAISED)
    texts = [result.message] if s.gtol or s.ftol or s.xtol else []
    if raised.size:
        texts.append(of_raised(raised, "objective", text))
    if texts:
        warnings.warn(" ".join(texts), RuntimeWarning, stacklevel=3)


def check_rows(args, k):
    for i, a in enumerate(args):
        refuse_device(f"args[{i}]", a)
        if not isinstance(a, np.ndarray) or a.ndim == 0:
            raise TypeError(f"args[{i}] must be an array with a leading axis of problems, got {describe(a)}")
        if len(a) != k:
            raise ValueError(f"args[{i}] must have a leading axis of {k} problems, got shape {a.shape}")
