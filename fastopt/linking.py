"""Templates: plain functions that call others by name, and the same functions with those names bound to something.

A rule and what is done around it is again a rule (rules, kernels/modifiers.py), and a loop with a rule in it a kernel
(kernels/bind.py). What is done to each item of a tuple is joined from functions for one. Nothing is compiled here.
"""

import dis
from functools import lru_cache, wraps
from types import CodeType, FunctionType
from typing import Any

UNBOUND: Any = object()  # for what is no function
_FUNCTIONS: set[Any] = set()


def stand_in(function):
    """Mark a function as one that templates call by this name; its arguments and text say what is meant."""

    @wraps(function)
    def missing(*args):
        raise TypeError(f"{function.__name__} must be bound into a template before it runs")

    _FUNCTIONS.add(missing)
    return missing


def is_stand_in(value) -> bool:
    return value is UNBOUND or (isinstance(value, FunctionType) and value in _FUNCTIONS)


def link(function, /, **names):
    """The function with other globals, all of which it must read: a mistyped name would leave a stand-in."""
    unread = sorted(names.keys() - set(globals_in(function)))
    if unread:
        raise TypeError(f"what is bound into {function.__name__} must be read there, got {', '.join(unread)}")
    linked = FunctionType(
        function.__code__,
        function.__globals__ | names,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    linked.__qualname__, linked.__module__ = function.__qualname__, function.__module__
    linked.__kwdefaults__ = function.__kwdefaults__
    return linked


def link_read(function, /, **names):
    """The function with those of the names that it reads: for one of a family, of which not all read the same."""
    read = globals_in(function)
    return link(function, **{name: value for name, value in names.items() if name in read})


# --- tuples of any length: a function for one item, at ``AT``, and one that joins two ---------------------------------


@stand_in
def first(*args):
    """Stands for the functions for the first half of the items, as ``second`` for the second half."""


second = first


def join(*args):
    return first(*args) + second(*args)


def both(*args):
    first(*args)
    second(*args)


def none(*args):
    return ()


def each(one, together, begin, end):
    """A function on tuples for the items from ``begin`` to ``end``, of one that reads ``AT``."""
    return joined([link(one, AT=at) for at in range(begin, end)], together)


def joined(functions, together):
    """One function of many; in halves, as every call is a level of typing."""
    if len(functions) < 2:
        return functions[0] if functions else none
    middle = (len(functions) + 1) // 2
    return link(together, first=joined(functions[:middle], together), second=joined(functions[middle:], together))


# --- what a function reads -------------------------------------------------------------------------------------------


def codes_in(code: CodeType):
    """A code object and those of its inner functions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def globals_in(function) -> list[str]:
    """The names of the globals that a function reads, and its inner functions."""
    return _globals_in(function.__code__)


LIBRARIES = ("numpy", "scipy", "numba", "fastopt")


def raising(function, seen=()) -> int | None:
    """The line of a ``raise`` or ``assert`` in a function or in one that it calls by a global name, if there is one."""
    for i in dis.get_instructions(function):
        if i.opname == "RAISE_VARARGS":
            return i.positions.lineno if i.positions else 0
    called = (getattr(value, "py_func", value) for value in map(function.__globals__.get, globals_in(function)))
    lines = (raising(one, (function, *seen)) for one in called if is_users(one) and one not in (function, *seen))
    return next((line for line in lines if line is not None), None)


def is_users(value) -> bool:
    """Whether it is a plain function, and none of a library's."""
    return isinstance(value, FunctionType) and (value.__module__ or "").partition(".")[0] not in LIBRARIES


def renewed(function, seen=()):
    """A copy, of the plain functions that it calls too: nothing was compiled of these, whatever the globals were."""
    called = {name: function.__globals__.get(name) for name in globals_in(function)}
    new = {
        name: renewed(value, (function, *seen))
        for name, value in called.items()
        if is_users(value) and value not in (function, *seen)
    }
    return link(function, **new)


@lru_cache(maxsize=1024)
def _globals_in(code: CodeType) -> list[str]:
    found = (i for inside in codes_in(code) for i in dis.get_instructions(inside))
    return sorted({i.argval for i in found if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")})
