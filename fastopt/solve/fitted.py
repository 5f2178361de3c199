"""Running all problems of ``curve_fit_many`` or ``least_squares_many``, and what is said at the end."""

import time
import warnings

import numpy as np

from ..kernels.loops.least_squares import KEPT_COST, KEPT_RADIUS, POINTS, STATUS
from ..kernels.loops.minimize import NONFINITE, RUNNING
from ..kernels.subnormals import restored_control
from ..progress import progress_bar
from .squares import BLOCK, has_raised, part_of, raised, solve, task_of, unsolved
from .squares_ended import TOO_FEW, result
from .squares_evaluation import evaluation_of


def fitted(model, X, args, shared, limited, s, points, progress):
    """The result of all problems; X is written."""
    evaluation = evaluation_of(model, X.dtype, X.shape[1], args, shared, s.loss, s.lanes)
    task = task_of(evaluation, shared, s, X.dtype, X.shape[1])
    problems = ready(X, points)
    ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
    with progress_bar(progress, len(X), "problems") as advance, restored_control(True):
        for begin in range(0, len(X), BLOCK):
            end = min(begin + BLOCK, len(X))
            own = tuple(a[begin:end] for a in args)
            if not solve(task, part_of(problems, begin, end), own, limited[:, begin:end], ends):
                break
            advance(end - begin, "")
    return ended(model, problems, task, lambda i: raised(task, problems, args, i))


def ready(X, points):
    """The problems, those that cannot begin ended."""
    problems = unsolved(X, points)
    problems.counts[(points >= 0.0) & (points < X.shape[1]), STATUS] = TOO_FEW
    problems.counts[~np.isfinite(X).all(axis=1), STATUS] = NONFINITE
    return problems


def ended(model, problems, task, why):
    """The result; ``why`` says what the function of a problem raised."""
    if model.curve is None:
        _refuse_gaps(problems)
    left_out = (problems.counts[:, STATUS] == TOO_FEW) | ~np.isfinite(problems.x).all(axis=1)
    begun = ~left_out & ((problems.counts[:, STATUS] != RUNNING) | (problems.kept[:, KEPT_RADIUS] >= 0.0))
    found = result(problems, task, begun)
    if not found.success.all():
        _warn(problems, found, why)
    return found


def _refuse_gaps(problems):
    """Raise where residuals were not written one by one: of these no problem that has ended has a count."""
    gaps = np.flatnonzero(np.isfinite(problems.kept[:, KEPT_COST]) & (problems.kept[:, POINTS] < 0.0))
    which = [i for i in gaps if problems.counts[i, STATUS] != RUNNING]
    if which:
        raise ValueError(
            f"residuals must write r[0], r[1], ... each once, got a gap or one twice in problem {which[0]}"
        )


def _warn(problems, found, why):
    texts, which = [found.message], has_raised(problems)
    if which.size:
        others = f" (and {which.size - 1} more)" if which.size > 1 else ""
        texts.append(f"The function of problem {which[0]}{others} raised {why(which[0])}")
    warnings.warn(" ".join(texts), RuntimeWarning, stacklevel=5)
