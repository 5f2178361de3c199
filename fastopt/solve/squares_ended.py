"""The end of many problems of least squares: parameters that are not determined, and the result."""

import numpy as np

from ..kernels.loops.covariance import UNKNOWN
from ..kernels.loops.least_squares import KEPT_COST, NIT, POINTS, RANK, STATUS
from ..kernels.loops.minimize import MAXTIME, RUNNING
from . import endings

FREE = 1e-4  # the part of a direction along which nothing is known that a determined parameter may have


def result(problems, task, begun):
    """``begun`` says from how many starts each problem was evaluated at all."""
    from scipy.optimize import OptimizeResult

    counts, cost = problems.counts, problems.kept[:, KEPT_COST]
    status, nit = counts[:, STATUS].copy(), counts[:, NIT].copy()
    status[status == RUNNING] = MAXTIME
    rank = _determined(problems, task)
    return OptimizeResult(
        x=problems.x, cost=cost.copy(), cov=problems.cov, stderr=problems.stderr, rank=rank, status=status, nit=nit,
        nfev=nit + begun, success=endings.succeeded(status), lanes=task.lanes, message=endings.counted(status),
    )  # fmt: skip


def _determined(problems, task):
    """The rank of each J'J; where that is singular, the covariance of what is determined."""
    rank = problems.counts[:, RANK].copy()
    which = np.flatnonzero(rank == UNKNOWN)
    if which.size:
        points, cost = problems.kept[which, POINTS], problems.kept[which, KEPT_COST]
        variance = np.ones(which.size)
        if not task.s.absolute:
            with np.errstate(divide="ignore", invalid="ignore"):
                variance = np.where(points > task.d, 2.0 * cost / (points - task.d), np.nan)
        rank[which], cov = _of_singular(problems.normal[which].astype(float), points, task)
        problems.cov[which] = variance[:, None, None] * cov
        problems.stderr[which] = np.sqrt(np.diagonal(problems.cov[which], axis1=1, axis2=2))
    return rank


def _of_singular(normal, points, task):
    """The ranks, and the inverses with NaN for each parameter that may change along a direction of no effect."""
    d = task.d
    J = np.zeros((len(normal), d, d))
    rows, columns = np.triu_indices(d)
    J[:, rows, columns] = J[:, columns, rows] = normal
    scale = np.sqrt(J[:, range(d), range(d)])
    scale[scale == 0.0] = 1.0
    scale = scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(J / scale)
    least = float(np.finfo(task.dtype).eps) * d * (10.0 + np.sqrt(points))
    lost = values <= (least * np.maximum(values[:, -1], 1.0))[:, None]
    inverse = (vectors / np.where(lost, np.inf, values)[:, None, :]) @ vectors.transpose(0, 2, 1) / scale
    loose = ((np.abs(vectors) > FREE) & lost[:, None, :]).any(axis=2)
    inverse[loose[:, :, None] | loose[:, None, :]] = np.nan
    return (~lost).sum(axis=1), inverse
