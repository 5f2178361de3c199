"""Many curves of one kind fitted at once, with standard errors."""

import numpy as np

from ..distributed.executors import dealing
from ..errors import spell
from ..targets.places import target_of
from .fitted import fitted
from .many import refuse_on_gpu
from .squares_arguments import are_several, arranged, check_points, limits, reals
from .squares_evaluation import Model, check_curve, check_function
from .squares_settings import check_progress, settings
from .squares_starts import check_starts, first, other_starts


def curve_fit_many(
    f,
    xdata,
    Y,
    P0=None,
    sigma=None,
    absolute_sigma=False,
    bounds=None,
    loss="linear",
    *,
    starts=None,
    seed=0,
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
    """Fit k curves of d parameters, independent of each other, with standard errors, in parallel over the curves.

    It is ``scipy.optimize.curve_fit`` for many rows of ``Y``, by the method of Levenberg and Marquardt as MINPACK has
    it: with exact derivatives, several curves side by side in vector registers, and each ended by itself. A curve's
    result does not depend on the others, nor on the number of threads.

    If ``Y`` is on a GPU, the curves are fitted there, one thread for each, all in the dtype of ``Y``. ``f`` is then a
    Numba function, ``@cuda.jit(device=True)`` or ``@njit``, that makes no arrays; ``xdata`` and ``sigma`` are on the
    GPU too, in that dtype, and so is ``P0`` where it is one for each curve. ``starts`` and ``executor`` are refused.

    Parameters
    ----------
    f : Numba function
        The model at one point: ``f(t, a, b, ...) -> float``, as SciPy takes it. What it may use says
        `fastopt.derivatives`. With ``if`` on a parameter or on ``t`` of each curve, curves are fitted one at a time
        (:func:`numpy.where` and the like may choose).
    xdata : array of shape (n,) or (k, n), or a tuple of such arrays
        The independent variable, the same for all curves or of each. Of a tuple, ``t`` is a tuple of numbers.
    Y : array of shape (k, n)
        What was observed, a row for each curve. NaN leaves a point out.
    P0 : array of shape (d,) or (k, d), optional
        Where to start, for all curves or for each; d is at most 16. All is computed in float32 if ``Y`` is float32 and
        ``P0`` too or no array, else in float64. With ``starts`` it may be left out.
    sigma : array of shape (n,) or (k, n), optional
        Standard deviations of the observations; residuals are divided by them.
    absolute_sigma : bool
        Whether ``sigma`` is in the units of ``Y``, and not just relative: then ``cov`` is not scaled by the residuals.
    bounds : pair (lows, highs), or scipy.optimize.Bounds, optional
        Each a number or an array of shape (d,) or (k, d), infinite where there is no bound. As for SciPy's
        ``curve_fit`` these are no pairs of each parameter.
    loss : "linear", "soft_l1", "huber" or "cauchy"
        What is summed of the squared residuals, as in ``scipy.optimize.least_squares``: all but "linear", the squares
        themselves, bound the influence of outliers.
    starts : int, optional
        From how many points to start each curve; the fit of the least ``cost`` is kept, also where it is no success.
        They are a Latin hypercube within ``bounds``, which must be finite; ``P0``, if given, is the first of them.
        They are the same for all curves with the same bounds, and even in each parameter: of one that may have any
        order of magnitude let ``f`` take the logarithm.
    seed : int
        Of the hypercube. Nothing without ``starts``.
    f_scale : float
        From which residual on one counts as an outlier. Nothing to "linear".
    ftol, xtol, gtol : float
        When to stop, as ``scipy.optimize.least_squares`` with ``method="lm"`` does: the cost would fall, and did, by at
        most ``ftol`` of it; the next step can be at most ``xtol`` of x long; the cosine of the angle between the
        residuals and each column of the Jacobian is at most ``gtol``. 0 turns a test off, and none is finer than
        rounding.
    maxiter : int, optional
        How many steps may be tried for each curve from each start, 200·(d + 1) if left out.
    maxtime : float, optional
        Seconds for the whole call. It ends within 0.2 seconds of that, as it does of Ctrl-C.
    lanes : 1, 2, 4, 8 or 16, optional
        How many curves are fitted side by side in a vector register; left out, 8 of float64 or 16 of float32 where
        ``f`` allows it, else 1.
    progress : bool
        Show a progress bar (needs the ``cli`` extra).
    executor : concurrent.futures.Executor, optional
        Who fits the curves, in chunks, to the same bits, as in :func:`fastopt.minimize_many`; see
        `fastopt.distributed`. On one machine all cores are used without.
    num_workers : int, optional
        How many workers the executor has; None is what it says, or the number of cores.
    chunk : int, optional
        How many curves go out together; None is about a quarter of a worker's share.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x`` of shape (k, d); ``cost``, half the sum of what ``loss`` makes of the squares; ``cov`` of shape (k, d, d)
        and ``stderr`` of shape (k, d), as SciPy defines them; ``rank``, ``status``, ``success``, ``nit`` and ``nfev``
        of shape (k,); ``message``, one string that counts how they ended; and ``lanes``.

        Where a parameter is not determined, ``rank`` is less than d, and the parameter's ``cov`` and ``stderr`` are
        NaN, as all are of a curve without more points than parameters (unless ``absolute_sigma``), and of one that
        ended with status 3, 5, 7 or 9. Of what differs by less than a part in 10⁸ (10⁴ of float32) from what other
        parameters do, rounding leaves nothing: a success of less ``rank`` than d may be above the minimum. Take the
        origin of ``t`` amid the points, above all of dates.

        For ``Y`` on a GPU ``x``, ``cov`` and ``stderr`` are there too (PyTorch's or CuPy's arrays if ``Y`` is, else
        Numba's); the others are NumPy arrays.

        ``status`` is 0 gtol, 1 maxiter, 2 ftol, 3 not finite at the start, 4 xtol, 5 ``f`` raised an exception,
        7 maxtime, 9 fewer points than parameters, 10 stuck: all steps went up where the slope says down, as with
        rates that begin 100 times too large (SciPy calls it xtol, a success). 0, 2 and 4 are successes.
        Where it is 9, and of curves that were not begun before ``maxtime`` was over, ``cost`` is NaN and ``nfev`` 0.

        Of several starts ``nit`` and ``nfev`` are the sums; where ``maxtime`` was over before all were followed to
        their ends, ``status`` is 7 and ``x`` the best until then.

    Warns
    -----
    RuntimeWarning
        Once, with ``message``, if a curve did not succeed.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, shape or range; ``P0`` outside of the bounds is one.
    RuntimeError
        If ``Y`` is on a GPU and CUDA does not work.
    Exception
        What an executor raises of its own, as where it was shut down or a worker died.

    References
    ----------
    J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical Analysis, 1978.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def decay(t, a, b):
    ...     return a * np.exp(-b * t)
    >>> t = np.linspace(0, 2, 20)
    >>> a, b = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 1.5])
    >>> Y = a[:, None] * np.exp(-b[:, None] * t) + 0.01 * np.sin(50 * t)
    >>> res = fastopt.curve_fit_many(decay, t, Y, [1.0, 1.0])
    >>> res.x.round(2)
    array([[1. , 0.5],
           [2. , 1. ],
           [3. , 1.5]])
    >>> bool(res.success.all()), res.stderr.shape
    (True, (3, 2))
    """
    dealt = dealing(executor, num_workers, chunk)
    s = settings(loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes, absolute_sigma)
    check_starts(starts, seed)
    check_progress(progress)
    several = are_several(xdata)
    if (target := target_of([("Y", Y)])).is_gpu:
        from . import device_curves, device_squares

        refuse_on_gpu(s, starts=starts, executor=executor)
        given = device_curves.given(target, f, xdata, Y, P0, sigma, bounds, s)
        return device_squares.fitted_there(target, progress, *given)
    check_function("f", f)
    Y = reals("Y", Y)
    if Y.ndim != 2:
        raise ValueError(f"Y must have shape (k, n), got {spell(Y.shape)}")
    X = first(P0, Y, f, starts)
    data = _Data(X.dtype, Y.shape)
    Y = np.asarray(Y, X.dtype)
    data.add("Y", Y)
    for i, x in enumerate(xdata if several else (xdata,)):
        data.add(f"xdata[{i}]" if several else "xdata", x)
    observed = ~np.isnan(Y)
    if sigma is not None:
        data.add("sigma", _weights(sigma, observed, X.dtype))
    args, shared, places = arranged(data.arrays)
    at = tuple(places[1 : 1 + len(xdata)]) if several else places[1]
    model = Model(f, (at, None if sigma is None else places[-1]), "f", check_curve(f.py_func, X.shape[1]))
    limited = limits(bounds, X, "P0")
    others = None if starts is None else other_starts(starts, seed, X, limited, P0 is not None)
    rows = X, *limited, observed.sum(axis=1).astype(float), *args
    return fitted(model, rows, shared, s, progress, dealt, others)


class _Data:
    """Arrays of points, for each problem or for all, in the order in which they come."""

    def __init__(self, dtype, shape):
        self.dtype, self.shape, self.arrays = dtype, shape, []

    def add(self, name, a):
        a = np.asarray(reals(name, a), self.dtype, order="C")
        check_points(name, a.shape, self.shape)
        self.arrays.append(a)


def _weights(sigma, observed, dtype):
    sigma = reals("sigma", sigma)
    if sigma.shape in (observed.shape, observed.shape[1:]) and not ((sigma > 0.0) | ~observed).all():
        raise ValueError("sigma must be positive where Y is known, got a number that is not")
    with np.errstate(divide="ignore", over="ignore"):
        return (1.0 / sigma).astype(dtype)
