"""The options of ``curve_fit_many`` and ``least_squares_many``, checked."""

from typing import NamedTuple

import numpy as np

from .. import checks
from ..errors import describe, quote
from ..kernels.loops.trust_region import F_SCALE, FTOL_AT, GTOL_AT, NOISE_AT, TESTS, XTOL_AT
from .options import LANES

LOSSES = "linear", "soft_l1", "huber", "cauchy"  # in the order of numbers/robust.py
ENDLESS = 1 << 62  # steps
NOISE = 10.0  # roundings of the cost


class Settings(NamedTuple):
    """``loss`` is which of :data:`LOSSES`; ``maxiter`` None is as many as d asks for."""

    loss: int
    f_scale: float
    ftol: float
    xtol: float
    gtol: float
    maxiter: int | None
    maxtime: float | None
    lanes: int | None
    absolute: bool

    def tests(self, dtype):
        """What the loop compares with: no test is finer than the dtype."""
        eps, out = float(np.finfo(dtype).eps), np.empty(TESTS)
        for at, tol in ((FTOL_AT, self.ftol), (XTOL_AT, self.xtol), (GTOL_AT, self.gtol)):
            out[at] = max(tol, eps) if tol > 0.0 else 0.0  # of nothing left to gain or to go
        out[NOISE_AT], out[F_SCALE] = NOISE * eps, self.f_scale
        return out

    def most(self, d):
        return 200 * (d + 1) if self.maxiter is None else min(self.maxiter, ENDLESS)


def settings(loss, f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes, absolute=False) -> Settings:
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {describe(loss)}")
    ftol, xtol, gtol = (_not_negative(*each) for each in (("ftol", ftol), ("xtol", xtol), ("gtol", gtol)))
    if maxiter is not None:
        checks.count("maxiter", maxiter)
    if maxtime is not None:
        maxtime = _not_negative("maxtime", maxtime)
    if lanes is not None and (type(lanes) is not int or lanes not in LANES):
        raise ValueError(f"lanes must be None or one of {', '.join(map(str, LANES))}, got {describe(lanes)}")
    if not isinstance(absolute, (bool, np.bool_)):
        raise TypeError(f"absolute_sigma must be True or False, got {describe(absolute)}")
    f_scale = checks.positive("f_scale", f_scale)
    return Settings(LOSSES.index(loss), f_scale, ftol, xtol, gtol, maxiter, maxtime, lanes, bool(absolute))


def check_progress(progress):
    if not isinstance(progress, bool):
        raise TypeError(f"progress must be True or False, got {describe(progress)}")


def _not_negative(name, value):
    if checks.number(name, value) < 0.0:
        raise ValueError(f"{name} must be at least 0, got {quote(value)}")
    return float(value)
