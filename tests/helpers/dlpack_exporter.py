"""An array that speaks only DLPack, as other libraries' do: a capsule written from the header of the protocol."""

import ctypes

from stand_ins import interface, on_device

CUDA, CPU, MANAGED = 2, 1, 13
CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6, "bfloat": 4}
DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
DESTRUCTOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
NAMES = (b"dltensor", b"dltensor_versioned")
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, DESTRUCTOR)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_is_named = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_exported: dict = {}  # what each capsule that is alive points at, and who exported it


@DESTRUCTOR
def _destroy(capsule):
    """What the protocol asks of the destructor of a capsule: free what it exports, unless a consumer has."""
    for name in NAMES:
        if _is_named(capsule, name):
            _exported.pop(_pointer(capsule, name))[0].alive -= 1


class Device(ctypes.Structure):
    _fields_ = (("device_type", ctypes.c_int), ("device_id", ctypes.c_int32))


class DType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class Managed(ctypes.Structure):
    _fields_ = (("dl_tensor", Tensor), ("manager_ctx", ctypes.c_void_p), ("deleter", DELETER))


class Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", DELETER),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", Tensor),
    )


class Exporter:
    """Exports a device array. ``alive`` counts the capsules that were not freed, ``streams`` what consumers asked for.

    ``kind`` is (code, bits, lanes) where it is not the array's own; ``versioned`` whether it is of DLPack 1.
    """

    def __init__(self, a, *, device=CUDA, versioned=True, major=1, read_only=False, offset=0, strides=True, kind=None):
        self.a = on_device(a)
        self.device, self.versioned, self.major, self.read_only = device, versioned, major, read_only
        self.offset, self.strides, self.kind = offset, strides, kind
        self.alive, self.streams = 0, []

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **options):
        if not self.versioned and "max_version" in options:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        self.streams.append(options["stream"])
        tensor, deleter = self._tensor(), DELETER(lambda managed: None)
        if self.versioned:
            managed = Versioned(self.major, 0, None, deleter, int(self.read_only), tensor)
        else:
            managed = Managed(tensor, None, deleter)
        _exported[ctypes.addressof(managed)] = self, managed, tensor
        self.alive += 1
        return _new(ctypes.addressof(managed), NAMES[self.versioned], _destroy)

    def _tensor(self):
        facts, size = interface(self.a), self.a.dtype.itemsize
        shape = (ctypes.c_int64 * self.a.ndim)(*self.a.shape)
        strides = (ctypes.c_int64 * self.a.ndim)(*(stride // size for stride in self.a.strides))
        code, bits, lanes = self.kind or (CODES[self.a.dtype.kind], 8 * size, 1)
        tensor = Tensor(facts["data"][0] - self.offset, Device(self.device, 0), self.a.ndim, DType(code, bits, lanes))
        tensor.byte_offset = self.offset
        if self.a.ndim:  # the protocol allows null pointers without dimensions
            tensor.shape, tensor.strides = shape, strides if self.strides else None
        return tensor
