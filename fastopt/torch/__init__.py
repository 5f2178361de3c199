"""Optimisers for PyTorch's tensors."""

from ..rules import RULES
from .classes import class_of

globals().update({rule.label: class_of(rule) for rule in RULES})

__all__ = ["class_of", *(rule.label for rule in RULES)]
