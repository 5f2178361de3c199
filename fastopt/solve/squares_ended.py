"""The end of many problems of least squares: parameters that are not determined, and the result."""

import numpy as np

from ..kernels.loops.covariance import UNKNOWN
from ..kernels.loops.least_squares import KEPT_COST, NIT, POINTS, RANK, STATUS
from ..kernels.loops.minimize import MAXTIME, RAISED, RUNNING
from . import endings

TOO_FEW = 9
NAMES = endings.NAMES | {TOO_FEW: "fewer points than parameters"}
FREE = 1e-4  # the part of a direction along which nothing is known that a determined parameter may have


def result(problems, task, begun):
    """``begun`` says which problems were evaluated at all, where they did not raise."""
    from scipy.optimize import OptimizeResult

    counts, cost = problems.counts, problems.kept[:, KEPT_COST]
    status, nit = counts[:, STATUS].copy(), counts[:, NIT].copy()
    status[status == RUNNING] = MAXTIME
    rank = _determined(problems, task)
    return OptimizeResult(
        x=problems.x, cost=cost.copy(), cov=problems.cov, stderr=problems.stderr, rank=rank, status=status, nit=nit,
        nfev=(nit + 1) * begun, success=np.isin(status, endings.SUCCESS), lanes=task.lanes, message=counted(status),
    )  # fmt: skip


def counted(status):
    """One string on many problems: how many ended how."""
    kinds, counts = np.unique(status, return_counts=True)
    listed = sorted(zip(counts.tolist(), kinds.tolist()), reverse=True)
    text = f"{int(np.isin(status, endings.SUCCESS).sum())} of {status.size} problems succeeded"
    return text + (f": {', '.join(f'{count} {NAMES[kind]}' for count, kind in listed)}." if listed else ".")


def _determined(problems, task):
    """The rank of each J'J; where that is singular, the covariance of what is determined."""
    rank = problems.counts[:, RANK].copy()
    for i in np.flatnonzero(rank == UNKNOWN):
        points, cost = problems.kept[i, POINTS], problems.kept[i, KEPT_COST]
        variance = 1.0 if task.s.absolute else 2.0 * cost / (points - task.d) if points > task.d else np.nan
        rank[i], problems.cov[i] = _of_singular(problems.normal[i], points, variance, task)
        problems.stderr[i] = np.sqrt(np.diag(problems.cov[i]))
    return rank


def _of_singular(normal, points, variance, task):
    """The rank, and the covariance with NaN for each parameter that may change along a direction of no effect."""
    d = task.d
    J = np.zeros((d, d))
    J[np.triu_indices(d)] = normal
    J += np.triu(J, 1).T
    scale = np.sqrt(np.diag(J))
    scale[scale == 0.0] = 1.0
    values, vectors = np.linalg.eigh(J / np.outer(scale, scale))
    least = float(np.finfo(task.dtype).eps) * d * (10.0 + np.sqrt(points))
    lost = values <= least * max(values[-1], 1.0)
    inverse = (vectors[:, ~lost] / values[~lost]) @ vectors[:, ~lost].T
    cov = variance * inverse / np.outer(scale, scale)
    loose = (np.abs(vectors[:, lost]) > FREE).any(axis=1)
    cov[loose] = np.nan
    cov[:, loose] = np.nan
    return int((~lost).sum()), cov
