"""Named tuples for the parameters that a compiled loss takes: ``params.W`` where the nest has a key "W".

A class made on the fly in ``__main__`` would never be found again by Numba's disk cache, and would leave a file there
in every run. So the classes are attributes of this module, remade from their names in any process.
"""

import re
import sys
from collections import namedtuple
from keyword import iskeyword

# Users' caches hold these classes by the path that they were once pickled with.
sys.modules.setdefault("fastopt.records", sys.modules[__name__])


def record(keys) -> type:
    """The named tuple class with these fields."""
    name = "Record_" + "".join(f"{len(key)}{key}" for key in keys)
    return globals().get(name) or _make(name, tuple(keys))


def is_field(key) -> bool:
    return isinstance(key, str) and key.isidentifier() and not iskeyword(key) and not key.startswith("_")


def _make(name, keys):
    made = namedtuple(name, keys)  # type: ignore[misc]  # known at run time only
    made.__module__ = __name__
    return globals().setdefault(name, made)


def __getattr__(name: str):
    """Remake a class from its name: the length of each field before it."""
    rest, keys = name.removeprefix("Record_"), []
    while name.startswith("Record_") and (found := re.match(r"\d+", rest)):
        size = int(found.group())
        keys.append(rest[found.end() : found.end() + size])
        if len(keys[-1]) < size:
            break
        rest = rest[found.end() + size :]
    if not keys or rest or not all(map(is_field, keys)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _make(name, tuple(keys))
