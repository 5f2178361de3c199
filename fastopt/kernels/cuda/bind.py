"""From plain Python functions to functions of CUDA kernels: bind.py's counterpart for the device."""

import math
from collections.abc import Hashable
from functools import lru_cache
from types import CellType, FunctionType, ModuleType

import numpy as np
from numba.core.dispatcher import Dispatcher

from ...linking import globals_in, link, link_read
from ..bind import check, helpers_of
from . import gpu

# CUDA's Numba knows few of NumPy's functions on numbers; these are in the math module under the same name.
OF_MATH = {getattr(np, name): getattr(math, name) for name in ("sqrt", "exp", "expm1", "log1p", "copysign", "fabs")}
OF_MATH |= {np.absolute: abs, np.isfinite: math.isfinite, np.isinf: math.isinf}
NUMPY = ModuleType("numpy")
vars(NUMPY).update({name: OF_MATH.get(value, value) for name, value in vars(np).items() if isinstance(value, Hashable)})


@lru_cache(maxsize=1024)
def device(function):
    """A plain function, with those it calls, for use in a kernel."""
    values = {name: function.__globals__.get(name) for name in globals_in(function)}
    jitted = {name: value.py_func for name, value in values.items() if isinstance(value, Dispatcher)}
    if gpu.SIMULATED:  # it runs what is not compiled
        return link(function, **{name: device(value) for name, value in jitted.items()}) if jitted else function
    others = {name: NUMPY for name, value in values.items() if value is np}
    others |= {
        name: OF_MATH[value] for name, value in values.items() if isinstance(value, np.ufunc) and value in OF_MATH
    }
    helpers = {name: device(helper) for name, helper in (helpers_of(function) | jitted).items()}
    linked = link(function, **others | helpers)
    closure = tuple(map(device_cell, function.__closure__ or ())) or None
    linked = FunctionType(linked.__code__, linked.__globals__, linked.__name__, linked.__defaults__, closure)
    return gpu.cuda.jit(device=True)(linked)


def device_cell(cell):
    """Of a closure: a Numba function of the CPU's as one for the device."""
    held = cell.cell_contents
    return CellType(device(held.py_func)) if isinstance(held, Dispatcher) else cell


def device_function(function):
    """A user's Numba function for use in a kernel; one of the CPU's is compiled again. None if it is neither."""
    return device(function.py_func) if isinstance(function, Dispatcher) else gpu.own_device_function(function)


def linked_throughout(function, **names):
    """The function with other globals where it, or a helper of its in the same file, reads them."""
    made: dict = {}

    def linked(one):
        if one not in made:
            own = {name: f for name, f in helpers_of(one).items() if f.__module__ == function.__module__}
            made[one] = link_read(one, **{name: linked(f) for name, f in own.items() if name not in names}, **names)
        return made[one]

    return linked(function)


def bound(template, **names):
    """The template as a kernel's function, with what is bound in."""
    template = link_read(link(template, **names), cuda=gpu.cuda, THREADS=gpu.THREADS)
    check(template)
    functions = {name: value for name, value in names.items() if isinstance(value, FunctionType)}
    return link(template, **{name: device(function) for name, function in functions.items()})
