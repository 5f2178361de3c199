"""Optimisers for PyTorch's tensors."""

from importlib.util import find_spec

if find_spec("torch") is None:
    raise ModuleNotFoundError("the optimisers for PyTorch's tensors need PyTorch: pip install torch", name="torch")

from ..rules import RULES
from .classes import class_of

globals().update({rule.label: class_of(rule) for rule in RULES})

__all__ = ["class_of", *(rule.label for rule in RULES)]
