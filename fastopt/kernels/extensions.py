"""What users have taught Numba: overloads of functions, methods and attributes, by the name that calls them."""

from functools import lru_cache
from types import FunctionType

from numba.core.imputils import builtin_registry as lowered
from numba.core.typing.templates import builtin_registry as typed

from .parts import PACKAGE, is_library

LISTS = typed.functions, typed.attributes, lowered.functions, lowered.getattrs, lowered.setattrs, lowered.casts


def extensions() -> dict[str, list]:
    """The functions behind a name in code, and their options; under "" those called without one, as operators are."""
    return _registered(tuple(map(len, LISTS)))  # they only grow


@lru_cache(maxsize=1)
def _registered(counts):
    found: dict[str, list] = {}
    for template in (*typed.functions, *typed.attributes):
        given = getattr(template, "_overload_func", getattr(template, "generic", None))
        for function in _own(given):
            found.setdefault(_name(template), []).extend((function, getattr(template, "_jit_options", None)))
    for implementation, key, *_ in (*lowered.functions, *lowered.casts):
        for function in _own(implementation):
            found.setdefault(_called(key), []).append(function)
    for implementation, name, _ in (*lowered.getattrs, *lowered.setattrs):
        for function in _own(implementation):
            found.setdefault(name or "", []).append(function)
    return found


def _name(template):
    return getattr(template, "_attr", None) or _called(template.key)


def _called(key):
    """The name that code must have to use it."""
    implicit = getattr(key, "__module__", None) in ("builtins", "_operator")
    return "" if implicit else getattr(key, "__name__", "")


def _own(function):
    """The user's functions in what is registered: Numba wraps some in functions of its own."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        return []
    module = function.__globals__.get("__name__")
    if not is_library(module):
        return [] if (module or "").startswith(f"{PACKAGE}.") else [function]
    return [part for cell in function.__closure__ or () for part in _own(_content(cell))]


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
