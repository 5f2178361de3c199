"""PyTorch's own threads: those of the OpenMP that it was linked with."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from numba import config

NAMES = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


@cache
def openmp() -> tuple[int, ...] | None:
    """The addresses of what begins a team, and of what tells a thread its number and theirs; None where it has none."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"))
    if config.DISABLE_JIT or not found:
        return None
    try:
        library = ctypes.CDLL(str(found[0]))
        functions = [getattr(library, name) for name in NAMES]  # of the library, and of those that it needs
    except (OSError, AttributeError):
        return None
    return tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)
