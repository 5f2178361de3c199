"""Checks of single numbers: each returns the number, or raises and says what it must be."""

import math
from numbers import Integral, Real
from typing import Any

from .errors import quote, shorten


def shown(x: Any) -> str:
    """Numbers by their value, the rest by its type: an array or a model would fill the screen."""
    return quote(x) if isinstance(x, Real) else shorten(type(x).__name__)


def as_float(x: Any) -> float:
    """A real number as a float; infinite where it is beyond all floats."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def number(name: str, x: Any) -> float:
    if not isinstance(x, Real) or isinstance(x, bool):
        raise TypeError(f"{name} must be a number, got {shown(x)}")
    if not math.isfinite(as_float(x)):
        raise ValueError(f"{name} must be finite, got {shown(x)}")
    return float(x)


def positive(name: str, x: Any) -> float:
    if number(name, x) <= 0:
        raise ValueError(f"{name} must be positive, got {shown(x)}")
    return float(x)


def integer(name: str, x: Any) -> int:
    if not isinstance(x, Integral) or isinstance(x, bool):
        raise TypeError(f"{name} must be an integer, got {shown(x)}")
    return int(x)


def count(name: str, x: Any) -> int:
    if integer(name, x) <= 0:
        raise ValueError(f"{name} must be a positive integer, got {shown(x)}")
    return int(x)
