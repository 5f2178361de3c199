"""Arrays on a GPU that speak only DLPack: where they are, read from the capsule that they export.

The capsule is held, not consumed: whoever made it frees what it exports when it dies, so the memory lives as long as
something here refers to the capsule. The structures are those of DLPack 1, and of the capsules before it.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np

CUDA = (2, 13)  # the device types of a GPU's memory, and of memory that the driver moves to and fro
READ_ONLY = 1  # a flag of DLPack 1
VERSION = (1, 0)
UNORDERED = -1  # the stream of a consumer that needs no order
CODES = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}  # of DLDataType; bfloat16 and smaller are 4 and from 7 on


class _DType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("dtype", _DType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_uint32 * 2),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


def _python(result, *kinds):
    """A function of Python's C interface, with types of its own: those of ctypes.pythonapi are everybody's."""
    return ctypes.PYFUNCTYPE(result, *kinds)


_is_named = _python(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_pointer = _python(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))


class Export(NamedTuple):
    """What a capsule says. ``strides`` are in bytes, None for C order; ``dtype`` is None if NumPy has no such."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: Any
    writable: bool
    capsule: Any


def is_on_cuda(a) -> bool:
    """Whether an array says through DLPack that it is on a GPU."""
    return hasattr(type(a), "__dlpack__") and int(a.__dlpack_device__()[0]) in CUDA


def export(a, stream) -> Export:
    """What an array exports, in the order of the stream with this handle; BufferError if it is not DLPack 1."""
    stream = stream or 1  # DLPack's name for the default stream
    try:
        capsule = a.__dlpack__(stream=stream, max_version=VERSION)
    except TypeError:  # from before DLPack 1
        capsule = a.__dlpack__(stream=stream)
    if _is_named(capsule, b"dltensor"):
        start = _pointer(capsule, b"dltensor")  # it begins with the tensor
        return _read(_Tensor.from_address(start), True, capsule)
    if not _is_named(capsule, b"dltensor_versioned"):
        raise BufferError("no unused DLPack capsule")
    managed = _Versioned.from_address(_pointer(capsule, b"dltensor_versioned"))
    if managed.version[0] != VERSION[0]:
        raise BufferError(f"DLPack {managed.version[0]}")
    return _read(managed.tensor, not managed.flags & READ_ONLY, capsule)


def _read(tensor, writable, capsule):
    dtype = _dtype(tensor.dtype)
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = None
    if tensor.strides and dtype is not None:
        strides = tuple(dtype.itemsize * stride for stride in tensor.strides[: tensor.ndim])
    return Export((tensor.data or 0) + tensor.byte_offset, shape, strides, dtype, writable, capsule)


def _dtype(kind):
    code = CODES.get(kind.code)
    if code is None or kind.lanes != 1 or kind.bits % 8:
        return None
    try:
        return np.dtype(f"{code}{kind.bits // 8}")
    except TypeError:
        return None
