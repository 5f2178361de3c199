"""Packing on a GPU: what packed.py asks of memory there."""

import numpy as np

from .device import address_of, check_parameter, require


class DeviceMemory:
    """The counterpart of packed.HostMemory; buffers and views are Numba device arrays."""

    @staticmethod
    def facts(name, leaf):
        require(f"{name}, on the GPU,")
        place = check_parameter(name, leaf)
        return place.shape, place.dtype, place.order

    @staticmethod
    def beside(leaf):
        from .kernels import cuda

        return cuda.home(cuda.view_of(check_parameter("params", leaf), leaf))

    @staticmethod
    def zeros(size, dtype):
        from .kernels import cuda

        return cuda.from_host(np.zeros(size, dtype))

    @staticmethod
    def view(buffer, start, end, shape, order):
        from .kernels import cuda

        address = address_of(buffer) + start * buffer.dtype.itemsize if end > start else 0
        return cuda.view(address, shape, order, buffer.dtype, buffer)

    @staticmethod
    def fill(view, leaf):
        from .kernels import cuda

        cuda.copy_in(view, cuda.view_of(check_parameter("params", leaf), leaf))

    @staticmethod
    def assign(name, view, value):
        """Copy an array on the device into a view; raises unless it fits."""
        place = check_parameter(name, value)
        if place.dtype != view.dtype:
            raise TypeError(f"{name} must have dtype {view.dtype}, got {place.dtype}")
        if place.shape != view.shape:
            raise ValueError(f"{name} must have shape {view.shape}, got {place.shape}")
        DeviceMemory.fill(view, value)
