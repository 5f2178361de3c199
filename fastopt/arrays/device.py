"""What an array on a GPU is: whose, where, dtype, layout. The counterpart of host.py, for any library's arrays."""

import sys

import numpy as np

from ..errors import describe, shorten
from . import dlpack
from .host import DTYPES
from .libraries import is_numbas, is_on_device, library_of
from .placed import Placed, check_contiguous, check_like, wrong_order
from .spans import check_apart

STRIDED = "a strided array on the GPU"


def check_on_device(name, a, others):
    """Raise unless an array is on a GPU, as the others are."""
    if not is_on_device(a):
        hint = ": fastopt.to_device moves it" if isinstance(a, np.ndarray) else ""
        raise TypeError(f"{name} must be on the GPU like {others}, got {describe(a)}{hint}")


def placed(name, a, stream=dlpack.UNORDERED) -> Placed:
    """Where an array is, to be used on the stream; raises unless it is float32 or float64 and on a device."""
    check_on_device(name, a, "the other arrays")
    found = _found(name, a, stream)
    if found is None or found.dtype not in DTYPES:
        got = found.dtype if found else getattr(a, "dtype", None)
        got = f"dtype {got.str if getattr(got, 'byteorder', '=') == '>' else got}" if got is not None else describe(a)
        raise TypeError(f"{name} must be float32 or float64 in native byte order, got {shorten(got)}")
    if found.address % found.dtype.itemsize:
        raise ValueError(f"{name} must be aligned to its {found.dtype.itemsize}-byte items, got a misaligned array")
    return found


def placed_numbers(name, a, orders="CF") -> Placed:
    """Where a contiguous array of any numbers is, that is on a device."""
    found = _found(name, a, dlpack.UNORDERED)
    if found is None or found.dtype.kind not in "fiucb":
        raise TypeError(f"{name} must be an array of numbers, got {describe(a)}")
    if orders == "CF":
        check_contiguous(name, found.order, STRIDED)
    elif found.order is None or found.order not in orders:
        got = STRIDED if found.order is None else "an array in Fortran order on the GPU"
        raise ValueError(f"{name} must be contiguous in C order, got {got}")
    return found


def _found(name, a, stream) -> Placed | None:
    """Where an array is; None if NumPy has no such dtype."""
    if library_of(a) == "torch":
        return _of_torch(name, a)
    facts = interface(a)
    if facts is None:
        return _of_dlpack(name, a, stream)
    if facts.get("mask") is not None:
        raise TypeError(f"{name} must be an array without a mask, got {describe(a)} with one")
    return _of_interface(facts)


def interface(a) -> dict | None:
    """The CUDA array interface of an array, if it has one."""
    simulated = getattr(a, "_ary", None) if is_numbas(a) else None  # the simulator's array holds one of NumPy's
    return getattr(a, "__cuda_array_interface__", None) if simulated is None else simulated.__array_interface__


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


def check_gradient(name, g, p: Placed, spans, stream) -> Placed:
    """Where a gradient is, to be used on the stream; raises unless it fits the parameter and lies outside the spans."""
    found = placed(name, g, stream)
    check_like(name, found, p)
    if found.order != p.order:
        raise wrong_order(name, p.order, "another layout")
    check_apart(name, found.span, spans)
    return found


def address_of(a) -> int:
    """Where an array begins that was on the device before."""
    if library_of(a) == "torch":
        return a.data_ptr()
    facts = interface(a)
    return dlpack.export(a, dlpack.UNORDERED).address if facts is None else facts["data"][0] or 0


def stream_of(library, device) -> int | None:
    """The handle of the stream that the library's caller is on; None if the library has no such thing."""
    module = sys.modules.get(library)
    if library == "torch":
        return int(module.cuda.current_stream(device).cuda_stream)  # type: ignore[union-attr]
    if library == "cupy":
        return int(module.cuda.get_current_stream().ptr)  # type: ignore[union-attr]
    return None
