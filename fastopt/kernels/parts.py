"""What compiled code can see of a Python object that it uses: all that may decide what it computes, and no more."""

import enum
import hashlib
import sys
from types import EllipsisType, FunctionType, NoneType

import numpy as np
from numba import types
from numba.core.extending import _Intrinsic

LIBRARIES = {"builtins", "cmath", "llvmlite", "math", "_operator", "operator", "numba", "numpy", "scipy"}
CONSTANTS = (bool, int, float, complex, str, bytes, NoneType, EllipsisType, slice, range)
PACKAGE = __name__.partition(".")[0]
LARGE = 10**6  # bytes of an array that compiled code has by its address alone, which Numba keeps in no file


def is_library(module):
    """Whether a module changes with its version only."""
    return (module or "").partition(".")[0] in LIBRARIES


def parts(value) -> tuple | None:
    """A text, then other objects: together what can be seen of an object that is no function and no module.

    None where that is not known: of an address, of an object of a class that is not Numba's.
    """
    if isinstance(value, enum.Enum):
        return f"{value.name}", value.value, type(value)
    if type(value) in CONSTANTS or isinstance(value, (np.generic, np.dtype)):
        return (repr(value),)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, (tuple, list)):
        return (f"{len(value)}", *value) if type(value) in (tuple, list) else (f"{len(value)}", type(value), *value)
    if isinstance(value, (set, frozenset)):
        return (f"{sorted(map(repr, value))}",)
    if isinstance(value, dict):
        return "dict", *(part for item in value.items() for part in item)
    if isinstance(value, types.Type):
        return _of_type(value)
    return _of_class(value) if isinstance(value, type) else _of_callable(value)


def _of_array(array):
    flags = array.flags
    if array.dtype.hasobject or array.nbytes > LARGE or not (flags.c_contiguous or flags.f_contiguous):
        return None
    return (f"{array.dtype} {array.shape} {flags.c_contiguous} {hashlib.sha256(array.tobytes()).hexdigest()}",)


def _of_type(kind):
    """Of one of Numba's, whose text may be short of what it stands for, or hold an address."""
    if isinstance(kind, (types.ClassType, types.ClassInstanceType)):
        return _of_jitclass(getattr(kind, "class_type", kind))
    if isinstance(kind, types.Dispatcher):
        return "dispatcher", kind.dispatcher
    if isinstance(kind, types.Omitted):
        return "omitted", kind.value
    if type(kind).__module__.startswith(f"{PACKAGE}.numbers."):  # whose names say all
        return (str(kind),)
    if not is_library(type(kind).__module__) or isinstance(kind, types.Opaque):
        return (str(kind),) if type(kind) in (types.Opaque, types.NoneType) else None
    inside = [
        part for name, part in vars(kind).items() if isinstance(part, (types.Type, type, tuple)) and name[0] != "_"
    ]
    return str(kind), *inside


def _of_class(cls):
    if hasattr(cls, "class_type"):
        return _of_jitclass(cls.class_type)
    name = f"{cls.__module__}.{cls.__qualname__}"
    if issubclass(cls, enum.Enum):
        return name, {key: member.value for key, member in cls.__members__.items()}
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return name, cls._fields, cls._field_defaults
    is_known = is_library(cls.__module__) or issubclass(cls, Exception) or cls.__module__.startswith(f"{PACKAGE}.")
    return (name,) if is_known else None


def _of_jitclass(kind):
    return kind.class_name, dict(kind.struct), kind.jit_methods, kind.jit_props, kind.jit_static_methods


def _of_callable(value):
    if isinstance(value, _Intrinsic):  # those of this package are covered by its source
        name = f"{value.__module__}.{value.__name__}"
        return (name,) if value.__module__.startswith(f"{PACKAGE}.") else (name, value._ctor_kwargs, value._defn)
    if hasattr(value, "py_func"):  # a Numba function
        pipeline = getattr(getattr(value, "_compiler", None), "pipeline_class", None)
        options = dict(value.targetoptions), dict(getattr(value, "locals", {}))
        return "function", *options, pipeline, _signatures(value), value.py_func
    if hasattr(value, "_dispatcher"):  # of numba.vectorize and guvectorize
        signatures = value.types if value._frozen else []
        return repr((getattr(value, "signature", None), value.identity)), list(signatures), value._dispatcher
    if hasattr(value, "kernel_ir"):  # of numba.stencil
        return value.mode, value.options, value.kernel_ir.func_id.func
    return _of_library(value)


def _signatures(function):
    """Those that the decorator was given: what is called with other types is cast to them."""
    if getattr(function, "_can_compile", True):
        return []
    return [(*signature.args, signature.return_type) for signature in function.nopython_signatures]


def _of_library(value):
    """A name under which it is found there."""
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__name__", "")
    found = isinstance(value, FunctionType) or getattr(sys.modules.get(module), name, None) is value
    return (f"{module}.{name}",) if found and is_library(module) else None
