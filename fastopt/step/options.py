"""The options that every optimiser takes, checked."""

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from ..checks import as_float
from ..errors import describe
from ..rules.ranges import check_fits


class Options(NamedTuple):
    """What the constructors take beside the rule's numbers; described in :class:`fastopt.Optimizer`."""

    maximize: bool = False
    clip_value: Any = None
    clip_norm: Any = None
    check_finite: Any = False
    parallel: bool | None = None
    threads: int | None = None
    device: str | None = None
    capturable: bool = False
    before: Any = None
    after: Any = None
    cautious: bool = False
    comm: Any = None

    @property
    def bound(self) -> float:
        """What every element of a gradient is clipped to."""
        return math.inf if self.clip_value is None else float(self.clip_value)

    def check_fits(self, dtype):
        """Raise unless what elements are clipped to is a number in arrays of this dtype."""
        if self.clip_value is not None:
            check_fits("clip_value", float(self.clip_value), dtype)

    @property
    def modifies(self) -> bool:
        """Whether kernels change the gradient before the rule sees it."""
        return self.maximize or self.clip_value is not None or self.clip_norm is not None


def check_options(options):
    """Raise unless each can be one. Whether they can be met where the arrays are is asked there."""
    _check_gradient_options(options)
    _check_threads(options)
    device, capturable = options.device, options.capturable
    if device is not None and not (isinstance(device, str) and device in ("cpu", "cuda")):
        raise ValueError(f"device must be 'cpu', 'cuda' or None, got {describe(device)}")
    if not isinstance(capturable, bool):
        raise TypeError(f"capturable must be True or False, got {describe(capturable)}")
    if options.comm is not None and (capturable or device == "cuda"):
        raise ValueError("comm must be None with capturable=True and device='cuda': ranks step NumPy arrays")
    if capturable and options.check_finite:
        raise ValueError(
            "check_finite must be False with capturable=True, "
            f"got {describe(options.check_finite)}: it waits for the device"
        )


def _check_gradient_options(options):
    if not isinstance(options.maximize, bool):
        raise TypeError(f"maximize must be True or False, got {describe(options.maximize)}")
    for name in ("clip_value", "clip_norm"):
        value = getattr(options, name)
        if value is None:
            continue
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be a number or None, got {describe(value)}")
        if not 0.0 < as_float(value) < math.inf:
            raise ValueError(f"{name} must be finite and greater than 0, got {describe(value)}")
    check_finite = options.check_finite
    if not isinstance(check_finite, bool) and not (isinstance(check_finite, str) and check_finite == "skip"):
        raise ValueError(f"check_finite must be True, False or 'skip', got {describe(check_finite)}")


def _check_threads(options):
    parallel, threads = options.parallel, options.threads
    if parallel is not None and not isinstance(parallel, bool):
        raise TypeError(f"parallel must be True, False or None, got {describe(parallel)}")
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
            raise TypeError(f"threads must be a whole number or None, got {describe(threads)}")
        most = numba.config.NUMBA_NUM_THREADS
        if not 1 <= threads <= most:
            raise ValueError(f"threads must be from 1 to {most} (NUMBA_NUM_THREADS), got {describe(threads)}")
        if parallel and threads == 1:
            raise ValueError("threads must be 2 or more with parallel=True, got 1")
