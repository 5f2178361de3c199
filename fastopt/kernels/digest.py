"""What a compiled kernel depends on, as a digest: everything that Numba's cache does not look at."""

import hashlib
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
from numba import types

from ..linking import codes_in, globals_in
from ..numbers.overloaded import OVERLOADED
from .extensions import extensions
from .parts import is_library, parts


def digest(*things, besides="") -> str | None:
    """Of everything that decides what these functions compute, whatever file it is in.

    None where some of it cannot be seen (the code at an address, an object of a class that is not Numba's): what was
    compiled from that must not be kept.
    """
    walk = _walked(things, besides)
    return walk.found.hexdigest()[:16] if walk.sees_all else None


def may_launch(*things) -> bool:
    """Whether code that uses these functions and types may launch threads itself: true where some cannot be seen."""
    walk = _walked(things)
    return walk.launches or not walk.sees_all


def _walked(things, besides=""):
    walk = _Walk()
    walk.note(besides)
    for thing in things:
        walk.add(thing)
    walk.add_extensions()
    return walk


class _Walk:
    """From function to function, and to what they use."""

    def __init__(self):
        self.found, self.sees_all, self.launches = hashlib.sha256(_templates()), True, False
        self.seen = {}  # what was walked, kept alive for its id, and its number
        self.within = set()  # the ids of what is being walked and has no number
        self.names = {""}  # all names in the code, and of what it calls by another name

    def note(self, *things):
        self.found.update(repr(things).encode())

    def add(self, value, names=frozenset()):
        """``names``: the names in the code that uses the value, of which some may be its attributes."""
        self.add_name(value)
        if isinstance(value, ModuleType):
            self.add_module(value, names)
        elif isinstance(value, FunctionType) and value in OVERLOADED:  # what is compiled for it is in our sources
            self.note(value.__module__, value.__qualname__)
        elif isinstance(value, FunctionType) and not is_library(value.__module__):
            if self._is_new(value):
                self.add_function(value)
        else:
            self.add_parts(value, names)

    def add_name(self, value):
        """An overload is found by the name of what is called, and the code may have that under another."""
        if callable(value) and isinstance(name := getattr(value, "__name__", None), str):
            self.names.add(name)

    def add_module(self, module, names):
        self.note(module.__name__)
        if not self._is_new(module, names):
            return
        if is_library(module.__name__):
            for value in (vars(module).get(name) for name in sorted(names)):
                self.add_name(value)  # np.abs is np.absolute
                if isinstance(value, ModuleType):
                    self.add_module(value, names)
            return
        for name in sorted(names):  # helpers.f: Numba resolves it, so its code counts
            if hasattr(module, name):
                self.note(name)
                self.add(getattr(module, name), names)

    def add_parts(self, value, names):
        inside = parts(value)
        if inside is None:
            self.sees_all = False
            return
        if isinstance(value, dict) and value.get("parallel"):  # the options of a function, or of an overload
            self.launches = True
        text, *others = inside
        self.note(type(value).__name__, text)
        if isinstance(value, (tuple, list, dict, types.Type)):  # equal ones may be one object, or not
            self.add_equals(value, others, names)
        elif others and self._is_new(value, names):
            for part in others:
                self.add(part, names)

    def add_equals(self, value, others, names):
        if id(value) in self.within:  # a list that holds itself
            self.sees_all = False
            return
        self.within.add(id(value))
        for part in others:
            self.add(part, names)
        self.within.remove(id(value))

    def add_function(self, function):
        names = frozenset(name for code in codes_in(function.__code__) for name in code.co_names)  # attributes, too
        self.names |= names
        self.add_code(function.__code__)
        self.add([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents, names)
            except ValueError:
                self.note("not assigned yet")
        for name in globals_in(function):  # not its attributes, which may have the names of other globals
            if name in function.__globals__:
                self.note(name)
                self.add(function.__globals__[name], names)

    def add_code(self, code):
        self.note(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.note(code.co_argcount, code.co_kwonlyargcount, code.co_flags, getattr(code, "co_exceptiontable", b""))
        for constant in code.co_consts:
            self.add_code(constant) if isinstance(constant, CodeType) else self.add(constant)

    def add_extensions(self):
        """The overloads that the code may call, and those that these call."""
        known = extensions()
        done: set[str] = set()
        while names := sorted((known.keys() & self.names) - done):
            for name in names:
                done.add(name)
                for function in known[name]:
                    self.note(name)
                    self.add(function)

    def _is_new(self, value, names=frozenset()):
        """What is met again is noted by its number: it may be another of those that were walked after an edit."""
        number, _ = self.seen.get((id(value), names), (None, None))
        if number is None:
            self.seen[id(value), names] = len(self.seen), value
        else:
            self.note("again", number)
        return number is None


@cache
def _templates():
    """The sources of what compiled code has of this package, whose edits no cache would see, and NumPy's version."""
    package = Path(__file__).parent.parent
    files = [file for room in ("kernels", "numbers") for file in sorted((package / room).rglob("*.py"))]
    return b"".join(file.read_bytes() for file in (*files, package / "jit.py")) + np.__version__.encode()
