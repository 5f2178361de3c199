"""The functions of mathematics, for numbers and for lanes: the same text, and so the same bits, for both.

Of lanes they have the names of ``math`` and of NumPy; for numbers those of this module, as ``math.exp`` of a number is
the C library's. In float32 they are computed in float64 and rounded. What has no text here is the C library's function
of each lane.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from . import exponential, logarithm, power, trigonometric
from .element import REALS
from .emitted import Emitted
from .overloaded import OVERLOADED
from .stamp import stamp
from .teach import OnCPU, inlined, teach

# --- for numbers: plain functions, so that compiled code and Python can call them ------------------------------------


def exp(x):
    return np.exp(x)


def expm1(x):
    return np.expm1(x)


def log(x):
    return np.log(x)


def log1p(x):
    return np.log1p(x)


def tanh(x):
    return np.tanh(x)


def sin(x):
    return np.sin(x)


def cos(x):
    return np.cos(x)


def sigmoid(x):
    small = np.exp(-abs(x))
    return (small if x < 0 else 1.0) / (1.0 + small)


def softplus(x):
    return np.logaddexp(0.0, x)


def pow(x, y):
    return np.power(x, y)


PUBLIC = (exp, expm1, log, log1p, tanh, sin, cos, sigmoid, softplus, pow)


def in_float64(text, count=1):
    """A text for any float dtype, evaluated in float64."""
    shared = inlined(text, count)

    def widened(*values):
        of = next(value for value in values if isinstance(value, Emitted)).value.type
        wide = shared(*(value.as_dtype(ir.DoubleType()) for value in values))
        return wide.as_dtype(of.element if isinstance(of, ir.VectorType) else of)

    return widened


TEXTS = {
    "exp": exponential.exp,
    "expm1": exponential.expm1,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "sigmoid": exponential.sigmoid,
    "softplus": exponential.softplus,
}
EMITTED = {name: in_float64(text) for name, text in TEXTS.items()}
EMITTED["pow"] = in_float64(power.pow, 2)
teach((np.logaddexp,), in_float64(exponential.logaddexp, 2), 2)


def _keys(name):
    """A function's names: ours, of ``math`` and of NumPy."""
    ours = [function for function in PUBLIC if function.__name__ == name]
    return [*ours, *(getattr(room, name) for room in (math, np) if hasattr(room, name))]


for name in TEXTS:
    teach(_keys(name), EMITTED[name])


class OfNumbers(OnCPU):
    """One of ours, of numbers: of float32 where all are, else of float64."""

    def generic(self, args, kws):
        kinds = {types.unliteral(arg) for arg in args}
        for kind in kinds:
            if not isinstance(kind, REALS):
                return _refuse(self.key, kind)
        kind = types.float32 if kinds == {types.float32} else types.float64
        return signature(kind, *[kind] * len(args))


def _refuse(function, kind):
    """Numba's types are nothing for ours; others have templates of their own."""
    if not type(kind).__module__.startswith("numba."):
        return
    hint = f": call it in a loop, jit.{function.__name__}(x[i])" if isinstance(kind, types.Array) else ""
    raise TypeError(f"fastopt.jit.{function.__name__} takes numbers, got {kind}{hint}")


def _of_numbers(function, count):
    def lower(context, builder, sig, args):
        stamp(context)
        return EMITTED[function.__name__](*(Emitted(builder, arg) for arg in args)).value

    OVERLOADED.add(function)
    infer_global(function)(OfNumbers)
    lower_builtin(function, *[types.Float] * count)(lower)


for function in PUBLIC:
    _of_numbers(function, 2 if function is pow else 1)
