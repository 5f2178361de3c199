"""Many independent problems of least squares at once, by Levenberg and Marquardt's method."""

import time
import warnings

import numpy as np

from ..arrays.host import refuse_device
from ..errors import describe, spell
from ..kernels.functions import call_of
from ..kernels.loops.least_squares import POINTS, STATUS
from ..kernels.loops.minimize import MAXTIME, NONFINITE, RAISED, RUNNING
from ..kernels.subnormals import restored_control
from ..progress import progress_bar
from . import squares_settings
from .arguments import start
from .squares import BLOCK, Task, has_raised, part_of, raised, solve, unsolved
from .squares_ended import TOO_FEW, result
from .squares_evaluation import Model, check_function, check_size, evaluation_of


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
):
    s = squares_settings.settings(loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes)
    check_function("residuals", residuals)
    X = starts("X0", X0)
    args, shared = (a if isinstance(a, tuple) else (a,) for a in (args, shared))
    for i, a in enumerate(args):
        refuse_device(f"args[{i}]", a)
        if not isinstance(a, np.ndarray) or a.ndim == 0 or len(a) != len(X):
            raise TypeError(f"args[{i}] must be an array with a leading axis of {len(X)} problems, got {describe(a)}")
    names = [f"arg{i}" for i in range(1, len(args) + len(shared) + 1)]
    model = Model(residuals, None, "residuals", f"residuals({', '.join(['x', 'r', *names])})")
    return fitted(model, X, args, shared, limits(bounds, X, "X0"), s, np.full(len(X), -1.0), progress)


def fitted(model, X, args, shared, limited, s, points, progress):
    """The result of all problems; X is written."""
    evaluation = evaluation_of(model, X.dtype, X.shape[1], args, shared, s.loss, s.lanes)
    task = Task(evaluation, shared, s, X.dtype, X.shape[1])
    problems = unsolved(X, points)
    problems.counts[(points >= 0.0) & (points < task.d), STATUS] = TOO_FEW
    problems.counts[~np.isfinite(X).all(axis=1), STATUS] = NONFINITE
    left_out = problems.counts[:, STATUS] != RUNNING
    ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
    with progress_bar(progress, len(X), "problems") as advance, restored_control(True):
        for begin in range(0, len(X), BLOCK):
            end = min(begin + BLOCK, len(X))
            own = tuple(a[begin:end] for a in args)
            if not solve(task, part_of(problems, begin, end), own, limited[:, begin:end], ends):
                break
            advance(end - begin, "")
    begun = ~left_out & (problems.counts[:, STATUS] != RUNNING)
    found = result(problems, task, begun)
    if not found.success.all():
        _warn(problems, found, task, args)
    return found


def _warn(problems, found, task, args):
    texts, which = [found.message], has_raised(problems)
    if which.size:
        others = f" (and {which.size - 1} more)" if which.size > 1 else ""
        texts.append(f"The function of problem {which[0]}{others} raised {raised(task, problems, args, which[0])}")
    warnings.warn(" ".join(texts), RuntimeWarning, stacklevel=4)


def starts(name, X0):
    """A copy, float32 or float64."""
    try:
        X = np.asarray(X0)
    except Exception:  # whatever its items raise
        raise ValueError(f"{name} must be an array of numbers, got {describe(X0)}, which does not make one") from None
    if X.ndim != 2:
        raise ValueError(f"{name} must have shape (k, d), got {spell(X.shape)}")
    check_size(name, X.shape[1])
    return start(X.reshape(-1)).reshape(X.shape)


def limits(bounds, X, name):
    """Lows and highs as an array (2, k, d), or (2, k, 0) where there are none."""
    if bounds is None:
        return np.empty((2, len(X), 0), X.dtype)
    if hasattr(bounds, "lb"):
        bounds = bounds.lb, bounds.ub
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair of lows and highs, got {describe(bounds)}")
    try:
        out = np.ascontiguousarray(np.stack([np.broadcast_to(np.asarray(side, X.dtype), X.shape) for side in bounds]))
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be two numbers or arrays of shape ({X.shape[1]},), got {describe(bounds)}"
        ) from None
    if not (out[0] < out[1]).all():
        i, j = np.argwhere(~(out[0] < out[1]))[0]
        raise ValueError(f"bounds must have low < high, got ({out[0, i, j]}, {out[1, i, j]}) for parameter {j}")
    outside = (out[0] > X) | (out[1] < X)
    if outside.any():
        i, j = np.argwhere(outside)[0]
        raise ValueError(f"{name} must be within the bounds, got {X[i, j]} for parameter {j} of problem {i}")
    return out
