"""Arrays of our numbers never come to Python, but Numba writes for every function how its result would come there.

Without this a helper that returns such an array would not compile. (Private attributes, of which none is changed for
arrays of anything else.)
"""

from numba import types
from numba.core import boxing, pythonapi

ROOM = __name__.rpartition(".")[0]
_numbas = boxing.box_array  # which boxing has registered


def _box(kind, value, c):
    if type(kind.dtype).__module__.startswith(f"{ROOM}."):
        return boxing.box_unsupported(kind, value, c)
    return _numbas(kind, value, c)


pythonapi._boxers.functions[types.Array] = _box
