"""Packing on a GPU: what packed.py asks of memory there."""

import numpy as np

from ..arrays.device import address_of, check_parameter, device_of, require


class DeviceMemory:
    """The counterpart of packed.HostMemory; buffers and views are Numba device arrays, on the GPU of the leaves."""

    def __init__(self):
        self._device = None

    def facts(self, name, leaf):
        require(f"{name}, on the GPU,")
        place = check_parameter(name, leaf)
        device = self._device if not place.size else device_of(name, place)
        if self._device not in (None, device):
            raise ValueError(f"{name} must be on GPU {self._device} like the other arrays, got GPU {device}")
        self._device = device
        return place.shape, place.dtype, place.order

    def zeros(self, size, dtype):
        from ..kernels.cuda import gpu

        with gpu.on(self._device or 0):
            return gpu.from_host(np.zeros(size, dtype))

    @staticmethod
    def view(buffer, start, end, shape, order):
        from ..kernels.cuda import gpu

        address = address_of(buffer) + start * buffer.dtype.itemsize if end > start else 0
        return gpu.view(address, shape, order, buffer.dtype, buffer)

    @staticmethod
    def fill(view, leaf):
        from ..kernels.cuda import gpu

        gpu.copy_in(view, gpu.view_of(check_parameter("params", leaf), leaf))

    @staticmethod
    def assign(name, view, value):
        """Copy an array on the device into a view; raises unless it fits."""
        place = check_parameter(name, value)
        if place.dtype != view.dtype:
            raise TypeError(f"{name} must have dtype {view.dtype}, got {place.dtype}")
        if place.shape != view.shape:
            raise ValueError(f"{name} must have shape {view.shape}, got {place.shape}")
        DeviceMemory.fill(view, value)
