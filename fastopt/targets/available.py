"""Whether CUDA works, and what is said where it does not. Imports nothing of it before it is asked."""

import importlib.util

from numba import config


def missing() -> str | None:
    """Which piece is missing: the package, the driver or the device; None if CUDA works."""
    if not config.ENABLE_CUDASIM and importlib.util.find_spec("numba_cuda") is None:
        return 'the package numba-cuda is missing: pip install "fastopt[cuda]"'
    from ..kernels.cuda import gpu

    return gpu.missing()


def require(what) -> None:
    """Raise unless CUDA works."""
    piece = missing()
    if piece is not None:
        raise RuntimeError(f"{what} must have CUDA, got none: {piece}")
