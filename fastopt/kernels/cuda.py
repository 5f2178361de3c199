"""Kernels on NVIDIA GPUs, and the memory they work on. The only importer of ``numba.cuda``; no other module may be.

With ``NUMBA_ENABLE_CUDASIM=1`` the same loops run in Numba's simulator, where a pointer is a flat array.
"""

import contextlib
import ctypes
import math
import warnings
from functools import cache, lru_cache
from types import FunctionType

import numpy as np
from numba import config, cuda, types
from numba.core.dispatcher import Dispatcher

from . import grid
from .bind import globals_in, helpers_of, link, refuse_recursion

SIMULATED = bool(config.ENABLE_CUDASIM)
THREADS = 16 if SIMULATED else 256  # of a block; the simulator starts one of the system's for each


def missing() -> str | None:
    """Which piece is missing, of the driver and the device; None if CUDA works."""
    if SIMULATED:
        return None
    if config.DISABLE_CUDA:
        return "NUMBA_DISABLE_CUDA is set"
    from numba.cuda.cudadrv.driver import driver

    with contextlib.suppress(cuda.CudaSupportError):
        driver.ensure_initialized()
    error = driver.initialization_error
    if error is not None and "CUDA_ERROR_NO_DEVICE" in error:
        return "no CUDA device is visible"
    if error is not None:
        return f"the NVIDIA driver is missing ({' '.join(error.split()).split('. ')[0][:120]})"
    return None if len(cuda.gpus) else "no CUDA device is visible"


# --- binding -------------------------------------------------------------------------------------------------------


@cache
def device(function):
    """A plain function, with those it calls, for use in a kernel."""
    if SIMULATED:
        return function
    values = {name: function.__globals__.get(name) for name in globals_in(function)}
    jitted = {name: value.py_func for name, value in values.items() if isinstance(value, Dispatcher)}
    helpers = {name: device(helper) for name, helper in (helpers_of(function) | jitted).items()}
    return cuda.jit(device=True)(link(function, **helpers))


def bound(template, **names):
    """The template as a kernel's function, with what is bound in."""
    functions = {name: value for name, value in names.items() if isinstance(value, FunctionType)}
    for function in functions.values():
        refuse_recursion(function)
    return link(template, cuda=cuda, THREADS=THREADS, **names | {k: device(f) for k, f in functions.items()})


def each(one, together, begin, end):
    """A function on tuples for the items from ``begin`` to ``end``; in halves, as every call is a level of typing."""
    if end - begin < 2:
        return link(one, AT=begin) if begin < end else grid.none
    middle = (begin + end) // 2
    halves = {"first": each(one, together, begin, middle), "second": each(one, together, middle, end)}
    return link(together, **halves)


def barrier():
    cuda.syncwarp()


class Kernel:
    """A kernel for arguments of these types. Call it with a stream, the number of blocks, and the arguments."""

    def __init__(self, function, *kinds):
        self.function, self.kinds = function, kinds
        jitted = cuda.jit(function)
        self._run = jitted if SIMULATED else jitted.compile(types.void(*kinds))

    def __call__(self, stream, blocks, *args, threads=THREADS):
        if SIMULATED:
            with warnings.catch_warnings():  # NumPy's scalars warn of an overflow, a GPU does not
                warnings.simplefilter("ignore", RuntimeWarning)
                self._run[blocks, threads](*args)
        else:
            self._run.launch(args, (blocks, 1, 1), (threads, 1, 1), stream)


# --- memory --------------------------------------------------------------------------------------------------------


def interface(a) -> dict:
    """The CUDA array interface of an array."""
    if SIMULATED and hasattr(a, "_ary"):  # the simulator's
        return a._ary.__array_interface__
    return a.__cuda_array_interface__


def at(address, size, dtype):
    """What kernels take for flat memory."""
    if not SIMULATED:
        return address
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    if not size:
        return FakeCUDAArray(np.empty(0, dtype))
    memory = (ctypes.c_uint8 * (size * np.dtype(dtype).itemsize)).from_address(address)
    return FakeCUDAArray(np.frombuffer(memory, dtype))


def pointer(a):
    """What kernels take for one of our own flat arrays."""
    return a if SIMULATED else a.device_ctypes_pointer.value


def wait():
    """Until all is done that was queued on the current device."""
    cuda.synchronize()


def array(size, dtype):
    """A new flat array on the current device, not filled."""
    return cuda.device_array(size, dtype)


def from_host(a, stream=None):
    """A copy on the current device, before all that will be queued there; with a stream, on that stream."""
    if stream is not None:
        return cuda.to_device(a, stream=stream)
    copy = cuda.to_device(a)
    cuda.synchronize()  # a copy from pageable memory may still be under way, and only some streams would wait for it
    return copy


def to_host(a):
    """A copy as a NumPy array, after all that was queued on its device."""
    with home(a):
        cuda.synchronize()
        return a.copy_to_host()


def copy_in(a, source):
    """Copy an array into one on a device, after all that was queued there and before all that will be."""
    if hasattr(source, "__cuda_array_interface__"):
        with home(source):
            cuda.synchronize()
    with home(a):
        cuda.synchronize()
        a.copy_to_device(source)
        cuda.synchronize()


def view(address, shape, order, dtype, owner):
    """A Numba device array over memory that the owner keeps alive."""
    if SIMULATED:
        out = at(address, math.prod(shape), dtype).reshape(shape, order=order)
        out.owner = owner
        return out
    sizes = shape if order == "F" else shape[::-1]
    strides = tuple(dtype.itemsize * math.prod(sizes[:k]) for k in range(len(sizes)))
    strides = strides if order == "F" else strides[::-1]
    description = {"shape": shape, "strides": strides, "typestr": dtype.str, "data": (address, False), "version": 3}
    return cuda.from_cuda_array_interface(description, owner, sync=False)


def view_of(place, owner):
    return view(place.address, place.shape, place.order, place.dtype, owner)


def ordinal(address) -> int | None:
    """The device that an address is on, None if it is on none."""
    if SIMULATED:
        return 0 if address else None
    from numba.cuda.cudadrv.driver import CudaAPIError, binding, driver

    cuda.current_context()  # the driver may ask for one, and a new thread has none
    attribute = binding.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    try:
        return int(driver.cuPointerGetAttribute(attribute, binding.CUdeviceptr(address)))
    except CudaAPIError as error:
        if error.code != binding.CUresult.CUDA_ERROR_INVALID_VALUE:
            raise
        return None


def devices() -> int:
    return len(cuda.gpus)


def on(device):
    """A context in which this is the current device."""
    return cuda.gpus[device] if len(cuda.gpus) > 1 else contextlib.nullcontext()


def home(a):
    """A context in which the device that an array is on is the current one."""
    return on(ordinal(pointer(a))) if a.size and devices() > 1 else contextlib.nullcontext()


@lru_cache(maxsize=64)
def stream(handle):
    """What kernels take for the stream of this handle; 0 is the default stream."""
    if SIMULATED:
        return None
    from cuda.core import Stream

    return Stream.from_handle(handle)
