"""Compiling without Python's garbage collector."""

import gc
from contextlib import contextmanager


@contextmanager
def uncollected():
    """Numba makes a million objects of which most stay; looking for others among them takes a twelfth of the time.

    The collector goes on afterwards, if it did before. Of threads that compile side by side the first one decides.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
