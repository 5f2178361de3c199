"""Functions that Numba cannot compile from their plain Python, with what compiled code does instead.

The plain form is for uncompiled runs (``NUMBA_DISABLE_JIT=1``, the CUDA simulator).
"""

from numba import types
from numba.core.typing.templates import infer_global, make_intrinsic_template
from numba.extending import overload

from ..numbers.overloaded import OVERLOADED


def compiled_form(function):
    """Like ``overload``, and noted: the binder must leave the function as it is."""
    OVERLOADED.add(function)
    return overload(function, jit_options={"forceinline": True, "no_cfunc_wrapper": True})


def emitted_form(function):
    """Like ``intrinsic``, of a function that has a plain form: what it does is written where it is called.

    An overload that returns a call of an intrinsic does the same, and compiles a function for it: 30 ms each.
    """
    OVERLOADED.add(function)

    def register(define):
        infer_global(function, types.Function(make_intrinsic_template(function, define, function.__name__)))
        return define

    return register
