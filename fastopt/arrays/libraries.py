"""Whose an array is, whether it is on a GPU, and arrays of ours handed over as those of the caller's library."""

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from . import dlpack


def as_array_of(library, a, device):
    """A Numba array on this device as an array of the library, over the same memory; as it is for any other library."""
    if library == "torch":
        return sys.modules["torch"].as_tensor(a, device=f"cuda:{device}")  # on another one it would be a copy
    if library == "cupy":
        return sys.modules["cupy"].asarray(a)
    return a


STREAMS = ("torch", "cupy")  # libraries that have a current stream


def library_of(a) -> str:
    """The package that an array's type comes from; of a subclass of one in ``STREAMS``, that one."""
    kind: Any = type(a)
    return _library_of(kind)


@lru_cache(maxsize=256)
def _library_of(kind) -> str:
    roots = [base.__module__.partition(".")[0] for base in kind.__mro__]
    return next((root for root in roots if root in STREAMS), roots[0])


def is_numbas(a) -> bool:
    """Whether it is a Numba device array, whose memory stays where it is."""
    return hasattr(type(a), "__cuda_ndarray__")


def is_on_device(a) -> bool:
    """Whether an array is on a GPU. Imports nothing, and asks no driver."""
    if isinstance(a, np.ndarray):
        return False
    if library_of(a) == "torch":
        return bool(getattr(a, "is_cuda", False))
    if is_numbas(a):
        return True
    try:
        return hasattr(a, "__cuda_array_interface__") or dlpack.is_on_cuda(a)
    except Exception:  # what libraries raise for an array that is on the CPU
        return False
