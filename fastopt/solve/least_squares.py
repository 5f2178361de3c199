"""Many independent problems of least squares at once, by Levenberg and Marquardt's method."""

import numpy as np

from ..distributed.executors import dealing
from ..targets.places import target_of
from .fitted import fitted
from .many import check_rows, refuse_on_gpu
from .squares_arguments import limits, starts
from .squares_evaluation import Model, check_call, check_function
from .squares_settings import check_progress, settings


def least_squares_many(
    residuals,
    X0,
    args=(),
    shared=(),
    *,
    bounds=None,
    loss="linear",
    f_scale=1.0,
    ftol=1e-8,
    xtol=1e-8,
    gtol=1e-8,
    maxiter=None,
    maxtime=None,
    lanes=None,
    progress=False,
    executor=None,
    num_workers=None,
    chunk=None,
):
    """Solve k problems of least squares of d variables, independent of each other, in parallel over the problems.

    It is ``scipy.optimize.least_squares`` for many problems, as :func:`fastopt.curve_fit_many` is for curves: by the
    method of Levenberg and Marquardt, with exact derivatives, of which no Jacobian is ever stored.

    If X0 is on a GPU, the problems are solved there, one thread for each, and ``args`` and the arrays of ``shared``
    are on the GPU too. ``residuals`` is then a Numba function, ``@cuda.jit(device=True)`` or ``@njit``, that makes no
    arrays. ``executor`` is refused.

    Parameters
    ----------
    residuals : Numba function
        ``residuals(x, r, *rows, *shared)`` writes the residuals of one problem, each once, as ``r[j] = v``, from
        ``r[0]`` on without a gap, in any order. There are as many as it writes. ``r`` cannot be read.
    X0 : array of shape (k, d)
        Where to start, float32 or float64; it is not written. d is at most 16.
    args : tuple of arrays
        Arrays whose first axis has length k: problem i is given row i (a number, if the array is one-dimensional).
    shared : tuple
        Arrays and numbers that every problem is given as they are, after its rows.
    bounds, loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, progress, executor, num_workers, chunk
        As for :func:`fastopt.curve_fit_many`.
    lanes : 1, 2, 4, 8 or 16, optional
        How many problems are solved side by side; left out, 8 of float64 or 16 of float32, where ``residuals`` does the
        same for every x and row, without ``if`` on them, and ``args`` have the dtype of X0; else 1.

    Returns
    -------
    scipy.optimize.OptimizeResult
        As of :func:`fastopt.curve_fit_many`; ``cov`` is scaled by the residuals. ``status`` 9 is of a problem of no
        residual.

    Warns
    -----
    RuntimeWarning
        Once, with ``message``, if a problem did not succeed, and with what was raised first.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, shape or range; if ``residuals`` reads ``r``, leaves a gap in it, or writes
        an element twice.
    RuntimeError
        If X0 is on a GPU and CUDA does not work.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def rosenbrock(x, r, scale):
    ...     r[0] = scale * (x[1] - x[0] * x[0])
    ...     r[1] = 1 - x[0]
    >>> res = fastopt.least_squares_many(rosenbrock, [[-1.2, 1.0], [3.0, 0.0]], np.array([10.0, 1.0]))
    >>> res.x.round(6)
    array([[1., 1.],
           [1., 1.]])
    """
    dealt = dealing(executor, num_workers, chunk)
    s = settings(loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes)
    check_progress(progress)
    args, shared = (a if isinstance(a, tuple) else (a,) for a in (args, shared))
    names = ["x", "r", *(f"arg{i}" for i in range(1, len(args) + len(shared) + 1))]
    if (target := target_of([("X0", X0)])).is_gpu:
        from . import device_squares

        refuse_on_gpu(s, executor=executor)
        given = device_squares.given(target, residuals, X0, args, shared, names, bounds, s)
        return device_squares.fitted_there(target, progress, *given)
    check_function("residuals", residuals)
    X = starts("X0", X0)
    check_rows(args, len(X))
    model = Model(residuals, None, "residuals", check_call("residuals", residuals.py_func, names))
    rows = X, *limits(bounds, X, "X0"), np.full(len(X), -1.0), *args
    return fitted(model, rows, shared, s, progress, dealt)
