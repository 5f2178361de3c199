"""What a NumPy array is: its kind, layout and place in memory, checked."""

from typing import Any

import numpy as np

from ..errors import describe, spell
from .libraries import is_on_device, library_of
from .placed import Placed, check_contiguous, check_like, wrong_order
from .spans import check_apart

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def check_kind(name, a):
    """Raise unless ``a`` is a NumPy array of float32 or float64 that a kernel can read."""
    if type(a) is not np.ndarray and type(a) is not np.memmap:
        if is_on_device(a):
            raise TypeError(
                f"{name} must be a NumPy array here, got {describe(a)} on the GPU: fastopt.to_host copies it"
            )
        if hasattr(a, "detach"):
            raise TypeError(f"{name} must be a NumPy array, got a PyTorch tensor: pass t.detach().numpy()")
        raise TypeError(f"{name} must be a NumPy array, got {describe(a)}")
    if a.dtype not in DTYPES:
        if a.dtype.kind == "f" and a.dtype.newbyteorder("=") in DTYPES:
            raise ValueError(f"{name} must be in native byte order, got dtype {a.dtype.str}")
        raise TypeError(f"{name} must be float32 or float64, got {describe(a)}")
    if not a.flags.aligned:
        raise ValueError(f"{name} must be aligned to its {a.itemsize}-byte items, got a misaligned array")


def placed(name, a) -> Placed:
    """Where an array is; raises unless a kernel can read it as one piece of memory."""
    check_kind(name, a)
    order = "C" if a.flags.c_contiguous else "F" if a.flags.f_contiguous else None
    check_contiguous(name, order, f"strides {spell(a.strides)}")
    return Placed(a.__array_interface__["data"][0], a.shape, a.dtype, order, a.flags.writeable)


def check_gradient(name, g, p, spans):
    """``g`` as an array; raise unless it fits the parameter ``p`` and lies outside the address spans."""
    if p.ndim == 0 and isinstance(g, np.floating):
        g = np.asarray(g)  # what NumPy's own arithmetic makes of 0-d arrays
    check_kind(name, g)
    check_like(name, g, p)
    order = order_of(p)
    if not (g.flags.c_contiguous if order == "C" else g.flags.f_contiguous):
        raise wrong_order(name, order, f"strides {spell(g.strides)}")
    check_apart(name, span(g), spans)
    return g


def order_of(a) -> Any:
    return "C" if a.flags.c_contiguous else "F"


def flat(a):
    """A contiguous array as one dimension, without a copy."""
    return np.asarray(a).reshape(-1, order=order_of(a))


def span(a) -> tuple[int, int]:
    """The addresses of a contiguous array's first byte and of the byte after its last."""
    start = a.__array_interface__["data"][0]
    return start, start + a.nbytes


def remedy(a) -> str:
    """What makes a NumPy array of something that holds one, as the end of a sentence."""
    if hasattr(a, "toarray"):
        return ", which is sparse: pass X.toarray()"
    if hasattr(a, "detach"):
        return ": pass t.detach().numpy()"
    if hasattr(a, "to_numpy"):
        return ": pass df.to_numpy(float)" if library_of(a) == "pandas" and a.ndim == 2 else ": pass s.to_numpy()"
    return ": pass np.asarray of it" if isinstance(a, (list, tuple)) else ""


def refuse_device(name, a):
    if is_on_device(a):
        raise TypeError(f"{name} must be on the CPU, got {describe(a)} on the GPU: fastopt.to_host copies it")
