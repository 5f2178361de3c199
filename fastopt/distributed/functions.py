"""How functions travel to other processes, and whatever holds them: by name where they can be imported there.

A Numba function that is pickled is compiled again wherever it arrives. What is imported by its name finds its compiled
code on the disk; so it goes by name, with a digest that tells whether what is found there is what was meant.
"""

import contextlib
import copyreg
import dataclasses
import hashlib
import io
import sys
from importlib import import_module
from operator import attrgetter
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import NumbaPickler, loads

from ..errors import shorten
from ..kernels.digest import digest
from ..linking import codes_in, is_users
from ..rules import Rule, _global_of

unpacked = loads


class Absent(Exception):
    """That here a module has not the function that was meant: its one argument is the module's name."""


def packed(value, carried=frozenset()) -> bytes:
    """As bytes, for ``unpacked``. Functions of the modules ``carried``, or that no module has, go by value: as code,
    with the globals that they read.

    Raises TypeError where something in it cannot be pickled.
    """
    with io.BytesIO() as file:
        try:
            _Pickler(file, carried).dump(value)
        except Exception as error:  # whatever a class raises when it is pickled
            said = shorten(f"{type(error).__name__}: {error}", 160)
            raise TypeError(f"what is sent to the workers of executor must be picklable, got {said}") from error
        return file.getvalue()


class _Pickler(NumbaPickler):
    def __init__(self, file, carried):
        super().__init__(file, protocol=5)
        self.carried = carried

    def reducer_override(self, value):
        if type(value) is np.ndarray:
            return _reduced_array(value)
        if isinstance(value, Rule):
            return self._rule(value)
        if isinstance(value, Dispatcher) or is_users(value):
            return self._function(value)
        return super().reducer_override(value)

    def _function(self, function):
        made = _made_of(function)
        if made is not None:
            return made
        module, name = _place(function)
        if name is None or module in self.carried:
            return self._dynamic_function_reduce(function) if isinstance(function, FunctionType) else NotImplemented
        return _found, (module, name, seen(function))

    def _rule(self, rule):
        """By name, as they are always pickled, where there is one; else made again of its functions."""
        named: Any = None
        with contextlib.suppress(TypeError):  # that it has no name
            named = copyreg.dispatch_table[Rule](rule)
        if named and named[0] is not _global_of:
            return named
        if named and named[1][0] not in self.carried:
            return _found, (*named[1], seen(rule))
        parts = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule) if f.init}
        plain = {name: dict(part) if isinstance(part, MappingProxyType) else part for name, part in parts.items()}
        return _rule_of, (plain,)


def _rule_of(parts):
    return Rule(**parts)


def _made_of(function):
    """How a gradient is made again, that was made of a user's function."""
    from ..kernels import forward

    fun = forward.origin(function) if isinstance(function, Dispatcher) else None
    return None if fun is None else (forward.of_any_size, (fun,))


# --- functions by name ---------------------------------------------------------------------------------------------


def _place(function):
    """A function's module, and the name that leads to it there, or None."""
    plain = getattr(function, "py_func", function)
    module = sys.modules.get(plain.__module__)
    if module is None:
        return None, None
    try:
        if attrgetter(plain.__qualname__)(module) is function:
            return plain.__module__, plain.__qualname__
    except AttributeError:
        pass
    return plain.__module__, next((name for name, value in vars(module).items() if value is function), None)


def _found(module, name, meant):
    """``__main__`` may be the same script here, as it is where Python starts processes."""
    try:
        function = attrgetter(name)(import_module(module))
        is_same = seen(function) == meant
    except Exception:  # whatever a module raises when it is imported, or it is no function
        raise Absent(module) from None
    if not is_same:
        raise Absent(module)
    return function


def seen(function):
    """What tells functions apart: all that a digest sees, or their code alone, where it cannot see through all."""
    if isinstance(function, Rule):
        numbers = repr((function.state, dict(function.hyper), dict(function.initial), function.keeps))
        own = function.combine, function.before, *function.reduces.values()
        return digest(function.update, function.coefficients, *own, besides=numbers)
    return digest(function) or _digest_of_code(getattr(function, "py_func", function).__code__)


def _digest_of_code(code):
    found = hashlib.sha256()
    for inner in codes_in(code):
        constants = [constant for constant in inner.co_consts if not hasattr(constant, "co_code")]
        found.update(repr((inner.co_code, inner.co_names, inner.co_varnames, constants)).encode())
    return found.hexdigest()


# --- arrays ----------------------------------------------------------------------------------------------------------


def _reduced_array(a):
    """One with gaps between its items or rows stays one, in the same order: sums may depend on that, and types do."""
    is_dense = a.flags.c_contiguous or a.flags.f_contiguous
    if a.dtype.hasobject or (is_dense and a.flags.writeable):
        return NotImplemented
    order = None if is_dense else sorted(range(a.ndim), key=lambda i: -abs(a.strides[i]))
    return _array, (a.copy(order="K" if is_dense else "C"), order, a.flags.writeable)


def _array(a, order, writeable):
    if order is not None:
        wide = np.empty((*(a.shape[i] for i in order), 2), a.dtype)[..., 0].transpose(np.argsort(order))
        wide[...] = a
        a = wide
    a.flags.writeable = writeable
    return a
