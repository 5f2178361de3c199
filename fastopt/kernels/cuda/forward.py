"""Gradients of values alone on a GPU: forward.py's functions, with the duals in a thread's own memory.

CUDA's Numba takes over what other packages teach Numba, types, conversions and what is emitted for a call, but for
templates that are for the CPU alone; as ours are, which must be asked before Numba's own.
"""

from functools import cache, lru_cache

from numba import types
from numba.core.typing.templates import builtin_registry, infer_global

from ...linking import link
from ...numbers import residuals, views  # noqa: F401  what the device is to know, too
from ...numbers.teach import OnCPU
from ..forward import WIDEST, at_once, in_passes
from .bind import device

ON_CUDA = {"metadata": {"target": "cuda"}}


@lru_cache(maxsize=256)
def value_and_grad(function, size):
    """A device function ``(x, grad, *args) -> f`` from one of ``(x, *args) -> f``, for x of this size alone."""
    teach()
    if 0 < size <= WIDEST:
        return device(link(at_once, function=function, WIDTH=size))
    return device(link(in_passes, function=function, WIDTH=WIDEST, SIZE=max(size, 1)))


@cache
def teach():
    """Let CUDA have each template of ours too."""
    for function, kind in tuple(builtin_registry.globals):
        for template in getattr(kind, "templates", ()):
            if issubclass(template, OnCPU):
                infer_global(function, types.Function(type(template.__name__, (template,), ON_CUDA)))
