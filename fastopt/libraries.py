"""Arrays on a GPU that we made, handed over as those of the library that the caller uses."""

import sys


def as_array_of(library, a, device):
    """A Numba array on this device as an array of the library, over the same memory; as it is for any other library."""
    if library == "torch":
        return sys.modules["torch"].as_tensor(a, device=f"cuda:{device}")  # on another one it would be a copy
    if library == "cupy":
        return sys.modules["cupy"].asarray(a)
    return a
