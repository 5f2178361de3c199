"""Kernels on NVIDIA GPUs, and the memory they work on. The only importer of ``numba.cuda``; no other module may be.

With ``NUMBA_ENABLE_CUDASIM=1`` the same loops run in Numba's simulator, where a pointer is a flat array.
"""

import contextlib
import ctypes
import math
import os
import warnings
from functools import lru_cache, partial

import numpy as np
from numba import config, cuda, types

from ...arrays.device import interface
from ..bind import ready

SIMULATED = bool(config.ENABLE_CUDASIM)
if not SIMULATED:
    from cuda.core import LaunchConfig, launch
    from numba.cuda.cudadrv.driver import CudaAPIError, binding, driver  # importing it calls nothing of the driver's
THREADS = 16 if SIMULATED else 256  # of a block; the simulator starts one of the system's for each
FORKED = "this process was forked after CUDA was initialised: start it with the method 'spawn'"


def started_in() -> int | None:
    """The process that Numba initialised CUDA in, if it did."""
    return None if SIMULATED else driver.pid


def forked() -> bool:
    """Whether CUDA was initialised before this process was forked, where nothing of it works."""
    # Numba's own test comes only after one of its calls has failed, and a launch is none of them.
    return started_in() not in (None, os.getpid())


def missing() -> str | None:
    """Which piece is missing, of the process, the driver and the device; None if CUDA works."""
    if forked():
        return FORKED
    if SIMULATED:
        return None
    if config.DISABLE_CUDA:
        return "NUMBA_DISABLE_CUDA is set"
    with contextlib.suppress(cuda.CudaSupportError):
        driver.ensure_initialized()
    error = driver.initialization_error
    if error is not None and "CUDA_ERROR_NOT_INITIALIZED" in error:  # so it says where another library came before
        return FORKED
    if error is not None and "CUDA_ERROR_NO_DEVICE" in error:
        return "no CUDA device is visible"
    if error is not None:
        return f"the NVIDIA driver is missing ({' '.join(error.split()).split('. ')[0][:120]})"
    return None if len(cuda.gpus) else "no CUDA device is visible"


def facts() -> str:
    """What the current device is, and who speaks with it."""
    if SIMULATED:
        return "Numba's simulator"
    import numba_cuda
    from numba.cuda.cudadrv.driver import get_version

    device, memory = cuda.get_current_device(), cuda.current_context().get_memory_info().total
    driver, capability = (".".join(map(str, pair[:2])) for pair in (get_version(), device.compute_capability))
    about = f"{device.name}, compute capability {capability}, {memory / 2**30:.1f} GiB"
    return f"{about}, driver for CUDA {driver}, numba-cuda {numba_cuda.__version__}"


# --- compiling -----------------------------------------------------------------------------------------------------


def is_kernel(function) -> bool:
    """Whether it is Numba's, for a GPU."""
    return hasattr(function, "forall")


def own_device_function(function):
    """What a user's device function is for another kernel; None if it is no such function."""
    if SIMULATED:
        from numba.cuda.simulator.kernel import FakeCUDAKernel

        return function.fn if isinstance(function, FakeCUDAKernel) and function._device else None
    from numba.cuda.dispatcher import CUDADispatcher

    return function if isinstance(function, CUDADispatcher) and function.targetoptions.get("device") else None


def barrier():
    cuda.syncwarp()


def compiled(function, signature, cached):
    """The kernel's function compiled, or taken from the disk cache (bind.py)."""
    return ready(lambda cache: cuda.jit(cache=cache)(function), function, function.__name__, signature, cached)


def flattened(args):
    for arg in args:
        if type(arg) is tuple:
            yield from flattened(arg)
        else:
            yield arg


def casts(kinds) -> list | None:
    """What to make of each number that a launch hands over, of tuples item by item; None where there are arrays."""
    known = {types.int64: None, types.float64: ctypes.c_double, types.float32: ctypes.c_float}
    found: list = []
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            inner = casts(kind)
            if inner is None:
                return None
            found += inner
        elif isinstance(kind, types.CPointer) or kind in known:
            found.append(known.get(kind))
        else:
            return None
    return found


@lru_cache(maxsize=256)
def shape(blocks, threads):
    return LaunchConfig(grid=(blocks, 1, 1), block=(threads, 1, 1))


class Kernel:
    """A kernel for arguments of these types. Call it with a stream, the number of blocks, and the arguments."""

    def __init__(self, function, *kinds, cached=True):
        self.function, self.kinds = function, kinds
        if SIMULATED:
            self._jitted = self._run = cuda.jit(function)
        else:
            self._jitted = compiled(function, types.void(*kinds), cached)
            (self._run,) = self._jitted.overloads.values()
            self._run.bind()  # loads it now: not within a graph's capture, where that is forbidden
            self._casts = casts(kinds)

    @property
    def stats(self):
        """Of the disk cache, as Numba's functions on the CPU have them."""
        return self._jitted.stats

    def __call__(self, stream, blocks, *args, threads=THREADS):
        self.ready(stream, blocks, *args, threads=threads)()

    def ready(self, stream, blocks, *args, threads=THREADS):
        """The launch, to be called: of numbers and pointers one call of compiled code, which no interrupt can part."""
        if SIMULATED:
            return partial(self._simulate, blocks, threads, args)
        if self._casts is None:
            return partial(self._run.launch, args, (blocks, 1, 1), (threads, 1, 1), stream)
        loaded = self._run._codelibrary.get_cufunc().kernel  # what Numba does for such arguments, in half the time
        values = [value if cast is None else cast(value) for cast, value in zip(self._casts, flattened(args))]
        return partial(launch, stream, shape(blocks, threads), loaded, *values)

    def _simulate(self, blocks, threads, args):
        with warnings.catch_warnings():  # NumPy's scalars warn of an overflow, a GPU does not
            warnings.simplefilter("ignore", RuntimeWarning)
            self._run[blocks, threads](*args)


# --- memory --------------------------------------------------------------------------------------------------------


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


def finish():
    """Wait until all is done that was queued on the current device."""
    cuda.synchronize()


def to_host(a):
    """A copy as a NumPy array, after all that was queued on the array's device."""
    with home_of(address_of(a)):
        cuda.synchronize()
        return a.copy_to_host()


def to_host_after(a, stream):
    """A copy of one of our own arrays, after what was queued on the stream, and waiting for nothing else."""
    if SIMULATED or not int(stream.handle):  # a copy without a stream is queued on the default stream, and waited for
        return a.copy_to_host()
    host = a.copy_to_host(stream=stream)
    stream.sync()
    return host


def copy_in(a, source):
    """Copy an array into one on a device, after all that was queued there and before all that will be."""
    if not isinstance(source, np.ndarray):
        with home_of(address_of(source)):
            cuda.synchronize()
    with home_of(address_of(a)):
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
    with home_of(address):
        return cuda.from_cuda_array_interface(description, owner, sync=False)


def view_of(place, owner):
    return view(place.address, place.shape, place.order, place.dtype, (owner, place.owner))


def ordinal(address) -> int | None:
    """The device that an address is on, None if it is on none."""
    if SIMULATED:
        return 0 if address else None
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
    if forked():
        raise RuntimeError(f"CUDA must be used in a process of its own, got another: {FORKED}")
    return cuda.gpus[device] if devices() > 1 else contextlib.nullcontext()


def home_of(address):
    """A context in which the device that an address is on is the current one."""
    return on(ordinal(address) if devices() > 1 and address else 0)


def address_of(a) -> int:
    """Where a Numba array begins."""
    return interface(a)["data"][0] or 0  # type: ignore[index]


@lru_cache(maxsize=64)
def stream(handle, device):
    """What kernels take for the stream of this handle; 0 is the default stream, of which every device has its own."""
    if SIMULATED:
        return None
    from cuda.core import Stream

    return Stream.from_handle(handle)


def wait(handle, other, device):
    """Let the stream of one handle wait, on the device, for what is queued on that of the other."""
    if not SIMULATED and (handle or 1) != (other or 1):  # 0 and 1 are both the default stream
        stream(handle, device).wait(stream(other, device))
