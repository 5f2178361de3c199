"""How parameters and gradients are handed to a loss."""

from collections.abc import Mapping

import numpy as np

from ..arrays.libraries import is_on_device
from ..arrays.namedtuples import is_field, record
from ..errors import listing


def is_array(a):
    return isinstance(a, np.ndarray) or is_on_device(a)


def name_of(grads, k) -> str:
    """Of the k-th array, as a loss sees it."""
    if is_array(grads):
        return "grads"
    return f"grads.{grads._fields[k]}" if hasattr(grads, "_fields") else f"grads[{k}]"


def as_arguments(nest, like=None):
    """How a nest of arrays is handed to a loss: the array, a tuple for a sequence, a named tuple for a mapping.

    A named tuple stays one, also where ``nest`` has only the structure of one, ``like``.
    """
    like = nest if like is None else like
    if is_array(nest):
        return nest
    children = list(nest.values()) if isinstance(nest, Mapping) else list(nest)
    if not all(map(is_array, children)):
        raise TypeError("params must be an array or one level of arrays for fit, got a deeper nest")
    if not isinstance(nest, Mapping):
        return type(like)(*children) if hasattr(like, "_fields") else tuple(children)
    if not all(map(is_field, nest)):
        raise TypeError(f"the keys of params must be identifiers for fit, got {listing(nest)}")
    return record(nest)(*children)
