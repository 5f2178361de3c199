"""The options that every optimiser takes, checked."""

import math

import numba
import numpy as np

from ..errors import describe


def check_options(
    maximize, clip_value, clip_norm, check_finite=False, parallel=None, threads=None, device=None, capturable=False
):
    if not isinstance(maximize, bool):
        raise TypeError(f"maximize must be True or False, got {describe(maximize)}")
    for name, value in (("clip_value", clip_value), ("clip_norm", clip_norm)):
        if value is None:
            continue
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be a number or None, got {describe(value)}")
        try:
            number = float(value)
        except OverflowError:  # an int beyond all floats
            number = math.inf
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be finite and greater than 0, got {describe(value)}")
    if not isinstance(check_finite, bool) and not (isinstance(check_finite, str) and check_finite == "skip"):
        raise ValueError(f"check_finite must be True, False or 'skip', got {describe(check_finite)}")
    if parallel is not None and not isinstance(parallel, bool):
        raise TypeError(f"parallel must be True, False or None, got {describe(parallel)}")
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
            raise TypeError(f"threads must be a whole number or None, got {describe(threads)}")
        most = numba.config.NUMBA_NUM_THREADS
        if not 1 <= threads <= most:
            raise ValueError(f"threads must be from 1 to {most} (NUMBA_NUM_THREADS), got {threads}")
        if parallel and threads == 1:
            raise ValueError("threads must be 2 or more with parallel=True, got 1")
    if device is not None and not (isinstance(device, str) and device in ("cpu", "cuda")):
        raise ValueError(f"device must be 'cpu', 'cuda' or None, got {describe(device)}")
    if not isinstance(capturable, bool):
        raise TypeError(f"capturable must be True or False, got {describe(capturable)}")
    if capturable and check_finite:
        raise ValueError(
            f"check_finite must be False with capturable=True, got {check_finite!r}: it waits for the device"
        )
