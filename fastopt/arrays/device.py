"""What an array on a GPU is: whose, where, dtype, layout. The counterpart of host.py, for any library's arrays."""

import importlib.util
import math
import sys
from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np
from numba import config

from ..errors import describe, shorten
from . import dlpack
from .host import DTYPES
from .libraries import is_on_device, library_of
from .nests import flatten


class Placed(NamedTuple):
    """An array on a device.

    Attributes
    ----------
    order : "C", "F", or None where it is neither
    stream : the handle of the stream that its contents are ready on, None where they need no waiting for
    owner : what keeps the memory alive beside the array itself
    """

    address: int
    shape: tuple[int, ...]
    dtype: Any
    order: str | None
    writable: bool
    stream: int | None = None
    owner: Any = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


def missing() -> str | None:
    """Which piece is missing: the package, the driver or the device; None if CUDA works."""
    if not config.ENABLE_CUDASIM and importlib.util.find_spec("numba_cuda") is None:
        return 'the package numba-cuda is missing: pip install "fastopt[cuda]"'
    from ..kernels.cuda import gpu

    return gpu.missing()


def require(what) -> None:
    """Raise unless CUDA works."""
    piece = missing()
    if piece is not None:
        raise RuntimeError(f"{what} must have CUDA, got none: {piece}")


def first_on_device(tree, name) -> str | None:
    """The name of the first leaf on a GPU."""
    return next((name for name, leaf in flatten(tree, name) if is_on_device(leaf)), None)


def placed(name, a, stream=dlpack.UNORDERED) -> Placed:
    """Where an array is, to be used on the stream; raises unless it is float32 or float64 and on a device."""
    if not is_on_device(a):
        hint = ": fastopt.to_device moves it" if isinstance(a, np.ndarray) else ""
        raise TypeError(f"{name} must be on the GPU like the other arrays, got {describe(a)}{hint}")
    found = _found(name, a, stream)
    if found is None or found.dtype not in DTYPES:
        got = found.dtype if found else getattr(a, "dtype", None)
        got = f"dtype {got.str if getattr(got, 'byteorder', '=') == '>' else got}" if got is not None else describe(a)
        raise TypeError(f"{name} must be float32 or float64 in native byte order, got {shorten(got)}")
    if found.address % found.dtype.itemsize:
        raise ValueError(f"{name} must be aligned to its {found.dtype.itemsize}-byte items, got a misaligned array")
    return found


def placed_any(name, a, orders="CF") -> Placed:
    """Where a contiguous array of any numbers is, that is on a device."""
    found = _found(name, a, dlpack.UNORDERED)
    if found is None or found.dtype.kind not in "fiucb":
        raise TypeError(f"{name} must be an array of numbers, got {describe(a)}")
    if found.order is None or found.order not in orders:
        wanted = "contiguous (C or Fortran order)" if orders == "CF" else "contiguous in C order"
        got = "a strided array" if found.order is None else "an array in Fortran order"
        raise ValueError(f"{name} must be {wanted}, got {got} on the GPU")
    device_of(name, found)
    return found


def placed_beside(name, a, device, others, orders="CF") -> Placed:
    """The same on this device, where the others are."""
    if not is_on_device(a):
        hint = ": fastopt.to_device moves it" if isinstance(a, np.ndarray) else ""
        raise TypeError(f"{name} must be on the GPU like {others}, got {describe(a)}{hint}")
    found = placed_any(name, a, orders)
    home = device_of(name, found)
    if home not in (None, device):
        raise ValueError(f"{name} must be on GPU {device} like {others}, got GPU {home}")
    return found


def device_of(name, place: Placed) -> int | None:
    """The GPU that an array is on, None for one of size 0; raises if it is on none."""
    from ..kernels.cuda import gpu

    home = gpu.ordinal(place.address) if place.size else None
    if place.size and home is None:
        raise ValueError(f"{name} must be in the memory of a GPU, got an address that is on none")
    return home


def _found(name, a, stream) -> Placed | None:
    """Where an array is; None if NumPy has no such dtype."""
    if library_of(a) == "torch":
        return _of_torch(name, a)
    from ..kernels.cuda import gpu

    facts = gpu.interface(a)
    if facts is None:
        return _of_dlpack(name, a, stream)
    if facts.get("mask") is not None:
        raise TypeError(f"{name} must be an array without a mask, got {describe(a)} with one")
    return _of_interface(facts)


def _of_torch(name, t) -> Placed | None:
    """PyTorch's interface refuses tensors that require a gradient; their memory is like any other's."""
    if t.layout != sys.modules["torch"].strided:
        raise TypeError(f"{name} must be a dense tensor, got the layout {t.layout}")
    for pending in ("conj", "neg"):  # what it reads as is not what is in its memory
        if getattr(t, f"is_{pending}", bool)():
            raise TypeError(f"{name} must be a tensor without a pending {pending}, got one: pass t.resolve_{pending}()")
    dtype = str(t.dtype).removeprefix("torch.")
    if not hasattr(np, dtype):
        return None
    shape, order = tuple(t.shape), None
    if t.is_contiguous():
        order = "C"
    elif t.permute(*range(t.dim() - 1, -1, -1)).is_contiguous():
        order = "F"
    return Placed(t.data_ptr(), shape, np.dtype(dtype), order, True)


def _of_interface(facts) -> Placed:
    shape, dtype = tuple(facts["shape"]), np.dtype(facts["typestr"])
    address, read_only = facts["data"]
    order = _order(shape, facts.get("strides"), dtype.itemsize)
    return Placed(address or 0, shape, dtype, order, not read_only, facts.get("stream"))


def _of_dlpack(name, a, stream) -> Placed | None:
    try:
        found = dlpack.export(a, stream)
    except Exception as error:  # an exporter may refuse in any way
        why = shorten(f"{type(error).__name__}: {error}", 120)
        raise TypeError(f"{name} must be an array that DLPack exports, got {describe(a)} ({why})") from error
    if found.dtype is None:
        return None
    order = _order(found.shape, found.strides, found.dtype.itemsize)
    return Placed(found.address, found.shape, found.dtype, order, found.writable, owner=found.capsule)


def _order(shape, strides, itemsize) -> str | None:
    if strides is None or 0 in shape:
        return "C"
    for order, axes in (("C", range(len(shape) - 1, -1, -1)), ("F", range(len(shape)))):
        expected = itemsize
        for k in axes:
            if shape[k] != 1 and strides[k] != expected:
                break
            expected *= shape[k]
        else:
            return order
    return None


def check_parameter(name, a) -> Placed:
    """Where an array is; raises unless it can be stepped in place."""
    found = placed(name, a)
    if found.order is None:
        raise ValueError(f"{name} must be contiguous (C or Fortran order), got a strided array on the GPU")
    if not found.writable:
        raise ValueError(f"{name} must be writable, got a read-only array")
    return found


def check_gradient(name, g, p: Placed, spans, stream) -> Placed:
    """Where a gradient is, to be used on the stream; raises unless it fits the parameter and lies outside the spans."""
    found = placed(name, g, stream)
    if found.dtype != p.dtype:
        raise TypeError(f"{name} must have dtype {p.dtype}, got {found.dtype}")
    if found.shape != p.shape:
        raise ValueError(f"{name} must have shape {p.shape}, got {found.shape}")
    if found.order != p.order:
        wanted = "C" if p.order == "C" else "Fortran"
        raise ValueError(f"{name} must be contiguous in {wanted} order like its parameter, got another layout")
    i = bisect_left(spans, (found.address + found.nbytes,))  # the number of spans that begin before the end
    if found.size and i and spans[i - 1][1] > found.address:
        raise ValueError(f"{name} must not overlap the parameters or the optimiser's state, got an array that does")
    return found


def address_of(a) -> int:
    """Where an array begins that was on the device before."""
    if library_of(a) == "torch":
        return a.data_ptr()
    from ..kernels.cuda import gpu

    facts = gpu.interface(a)
    return dlpack.export(a, dlpack.UNORDERED).address if facts is None else facts["data"][0] or 0


def stream_of(library, device) -> int | None:
    """The handle of the stream that the library's caller is on; None if the library has no such thing."""
    module = sys.modules.get(library)
    if library == "torch":
        return int(module.cuda.current_stream(device).cuda_stream)  # type: ignore[union-attr]
    if library == "cupy":
        return int(module.cuda.get_current_stream().ptr)  # type: ignore[union-attr]
    return None
