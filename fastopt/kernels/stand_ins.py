"""What stands in a template for what is bound in later (bind.py), and never runs itself."""

from functools import wraps
from types import FunctionType
from typing import Any

UNBOUND: Any = object()  # for what is no function
_FUNCTIONS: set[Any] = set()


def stand_in(function):
    """Mark a function as one that templates call by this name; its arguments and text say what is meant."""

    @wraps(function)
    def missing(*args):
        raise TypeError(f"{function.__name__} must be bound into a template before it runs")

    _FUNCTIONS.add(missing)
    return missing


def is_stand_in(value) -> bool:
    return value is UNBOUND or (isinstance(value, FunctionType) and value in _FUNCTIONS)
