"""Arrays on a GPU that we made, handed over as those of the library that the caller uses."""

import sys


def as_array_of(library, a):
    """A Numba device array as an array of the library, over the same memory; as it is for any other library."""
    if library == "torch":
        return sys.modules["torch"].as_tensor(a, device="cuda")
    if library == "cupy":
        return sys.modules["cupy"].asarray(a)
    return a
