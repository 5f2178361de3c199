"""Functions that Numba cannot compile from their plain Python, with what compiled code does instead.

The plain form is for uncompiled runs (``NUMBA_DISABLE_JIT=1``, the CUDA simulator).
"""

from numba.extending import overload

from ..numbers.overloaded import OVERLOADED


def compiled_form(function):
    """Like ``overload``, and noted: the binder must leave the function as it is."""
    OVERLOADED.add(function)
    return overload(function, jit_options={"forceinline": True})
