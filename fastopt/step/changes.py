"""The options that change a rule: ``before``, ``after`` and ``cautious``, checked."""

import numpy as np

from ..errors import describe, shorten
from ..kernels.digest import digest
from ..linking import raising
from ..rules.changes import changed

TAKES = {"before": ("p", "g"), "after": ("p", "new", "g")}


def with_changes(rule, before=None, after=None, cautious=False):
    """The rule with what these options make of it; raises unless they can be met."""
    if not isinstance(cautious, (bool, np.bool_)):
        raise TypeError(f"cautious must be True or False, got {describe(cautious)}")
    if cautious and rule.reduces:
        name = rule.label or rule.name
        raise ValueError(f"cautious must be False with {name}, whose steps are not known before its sums are, got True")
    before, after = (_functions(name, given) for name, given in (("before", before), ("after", after)))
    if rule.evaluates and (after or cautious):
        name = rule.label or rule.name
        raise ValueError(f"after and cautious must be left out with {name}, whose average would not know of them")
    seen = digest(before, after) if before or after else ""
    return changed(rule, before, after, bool(cautious), seen)


def _functions(name, given) -> tuple:
    """As plain functions, each tried on numbers."""
    given = () if given is None else given if isinstance(given, (tuple, list)) else (given,)
    return tuple(_checked(name, function) for function in given)


def _checked(name, function):
    plain = getattr(function, "py_func", function)  # of a Numba function
    takes = f"{name} must be a function ({', '.join(TAKES[name])}) -> number, or a tuple of such"
    if not hasattr(plain, "__code__"):
        raise TypeError(f"{takes}, got {describe(function)}")
    try:
        with np.errstate(all="ignore"):
            found = plain(*(np.float64(1.0) for _ in TAKES[name]))
    except Exception as error:
        raise TypeError(f"{takes}, got one that raised {shorten(str(error), 80)}") from error
    if isinstance(found, (bool, np.bool_)) or not isinstance(found, (int, float, np.integer, np.floating)):
        raise TypeError(f"{takes}, got one that returned {describe(found)}")
    line = raising(plain)
    if line is not None:
        raise TypeError(f"{name} must not raise, which compiled steps cannot tell, got a raise in line {line}")
    return plain
