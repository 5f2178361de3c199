"""Running all problems of ``curve_fit_many`` or ``least_squares_many``, and what is said at the end."""

import time
import warnings

import numpy as np

from ..kernels.loops.least_squares import KEPT_COST, POINTS, STATUS
from ..kernels.loops.minimize import RUNNING
from ..progress import progress_bar
from .endings import TOO_FEW, of_raised
from .squares import has_raised
from .squares_chunks import Common, in_chunks
from .squares_ended import result


def fitted(model, rows, shared, s, progress, dealt, others=None):
    """The result of all problems; x is written. ``rows`` and ``others`` are those of squares_chunks.py."""
    common = Common(model, rows, shared, s, others)
    task = common.task
    ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
    with progress_bar(progress, len(rows[0]), "problems") as advance:
        if dealt is None:
            outcome = common.solved(rows, ends, advance)
        else:
            outcome = in_chunks(dealt, common, rows, ends, advance)
    return ended(model, outcome, task)


def ended(model, outcome, task):
    """The result."""
    if model.curve is None:
        _refuse_gaps(outcome.problems)
        _fail_empty(outcome.problems)
    found = result(outcome.problems, task, outcome.begun)
    if not found.success.all():
        _warn(outcome, found)
    return found


def _refuse_gaps(problems):
    """Raise where residuals were not written one by one: of these no problem that has ended has a count."""
    gaps = np.flatnonzero(np.isfinite(problems.kept[:, KEPT_COST]) & (problems.kept[:, POINTS] < 0.0))
    which = [i for i in gaps if problems.counts[i, STATUS] != RUNNING]
    if which:
        raise ValueError(
            f"residuals must write r[0], r[1], ... each once, got a gap or one twice in problem {which[0]}"
        )


def _fail_empty(problems):
    """Of no residual the sum of squares is least anywhere."""
    none = problems.kept[:, POINTS] == 0.0
    problems.counts[none, STATUS], problems.kept[none, KEPT_COST] = TOO_FEW, np.nan


def _warn(outcome, found):
    texts, which = [found.message], has_raised(outcome.problems)
    if which.size:
        texts.append(of_raised(which, "function", outcome.why))
    warnings.warn(" ".join(texts), RuntimeWarning, stacklevel=5)
