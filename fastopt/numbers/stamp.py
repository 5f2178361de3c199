"""A stamp in what was compiled with this room's code, so that Numba forgets a user's cached function once it changed.

The caller's library asks for it as an initialiser: Numba unpickles those with a cached function, and takes an OSError
there for a miss. (kernels/stamp.py does the same for rules.)
"""

import hashlib
from functools import cache
from pathlib import Path


@cache
def sources() -> str:
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def stamp(context):
    """Called where a call of ours is lowered. (A private attribute: without it the caller is cached as by Numba.)"""
    initialisers = getattr(context.active_code_library, "_reload_init", None)
    if initialisers is not None:
        initialisers.add(_STAMP)


class _Stamp:
    def __call__(self):
        """Called by Numba when a cached function is loaded."""

    def __reduce__(self):
        return _restore, (sources(),)


_STAMP = _Stamp()


def _restore(then):
    if sources() != then:
        raise OSError("what a cached function uses of fastopt has changed")
    return _STAMP
