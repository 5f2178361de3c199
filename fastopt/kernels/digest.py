"""What a compiled kernel depends on, as a digest: everything that Numba's cache does not look at."""

import hashlib
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np


def codes_in(code: CodeType):
    """A code object and those of its inner functions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def digest(function, besides=""):
    """Of everything that decides what the function computes, its own file's text aside."""
    found = hashlib.sha256(_templates() + besides.encode())
    seen = set()

    def note(*things):
        found.update(repr(things).encode())

    def add(value, names=()):
        """``names``: the names in the code that uses the value, of which some may be its attributes."""
        if hasattr(value, "py_func"):  # a Numba function
            note(sorted(getattr(value, "targetoptions", {}).items()))
            value = value.py_func
        if isinstance(value, FunctionType) and not _is_library(value.__module__):
            if value not in seen:
                seen.add(value)
                add_function(value)
        elif isinstance(value, ModuleType):
            note(value.__name__)
            if value not in seen and not _is_library(value.__name__):
                for name in names:  # helpers.f: Numba resolves it, so its code counts
                    if hasattr(value, name):
                        add(getattr(value, name), names)
        elif isinstance(value, (tuple, list)):
            note(len(value))
            for item in value:
                add(item, names)
        elif isinstance(value, np.ndarray):
            note(value.dtype, value.shape, value.tobytes())
        elif hasattr(value, "_dispatcher"):  # of numba.vectorize
            add(value._dispatcher, names)
        elif callable(value):  # its repr may hold an address
            note(getattr(value, "__module__", ""), getattr(value, "__qualname__", type(value).__name__))
        else:
            note(value)

    def add_function(function):
        names = sorted({name for code in codes_in(function.__code__) for name in code.co_names})  # attributes, too
        add_code(function.__code__)
        add(function.__defaults__ or ())
        for cell in function.__closure__ or ():
            add(cell.cell_contents, names)
        for name in names:
            if name in function.__globals__:
                note(name)
                add(function.__globals__[name], names)

    def add_code(code):
        note(code.co_code, code.co_names, code.co_varnames, code.co_argcount)
        for constant in code.co_consts:
            add_code(constant) if isinstance(constant, CodeType) else note(constant)

    add(function)
    return found.hexdigest()[:16]


def _is_library(module):
    """Whether a module changes with its version only."""
    return (module or "").partition(".")[0] in ("math", "cmath", "numpy", "numba", "scipy")


@cache
def _templates():
    """The sources of this package's kernels, whose edits the cache would not see either, and NumPy's version."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return b"".join(file.read_bytes() for file in files) + np.__version__.encode()
