"""What users' Python functions return, as a number or as an array of real numbers; nothing else is cast to one."""

import contextlib
from numbers import Complex, Real
from typing import Any

import numpy as np

from ..errors import describe

REAL, COMPLEX = "biuf", "biufc"  # kinds of NumPy's dtypes


def number_of(value, must, kinds=REAL):
    """A float, or a complex number where those are among the kinds; ``must`` is the sentence where it is none.

    An array or a list of one element is a number, as it is to SciPy; a masked one is not, whose mask would be lost.
    """
    if type(value) is float:
        return value
    kind: Any = float if kinds is REAL else complex
    if isinstance(value, Real if kinds is REAL else Complex) and not isinstance(value, np.generic):
        with contextlib.suppress(OverflowError):  # of an int beyond float64, which NumPy takes for an object
            return kind(value)
    array = _array_of(value)
    if array is None or array.size != 1 or array.dtype.kind not in kinds:
        raise TypeError(f"{must} {described(value)}")
    return kind(array.item())


def reals_of(value, must):
    """An array of real numbers."""
    array = _array_of(value)
    if array is None or array.dtype.kind not in REAL:
        raise TypeError(f"{must} {described(value)}")
    return array


def _array_of(value):
    try:
        return None if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    except Exception:  # of whatever there is within
        return None


def described(value):
    return f"a masked array of shape {value.shape}" if isinstance(value, np.ma.MaskedArray) else describe(value)
