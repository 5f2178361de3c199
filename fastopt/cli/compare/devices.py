"""Where a model is trained: on the CPU, or on a GPU with the same loss."""

from functools import cached_property

import numba
import numpy as np

from ...targets import missing
from ...targets.transfer import to_device, to_host
from . import BadInput
from .task import Task

DEVICES = ("cpu", "cuda")


class Host:
    """The CPU, on one thread or on several."""

    def __init__(self, task: Task, target: str):
        self.target, self.options = target, {"parallel": target == "parallel"}
        self.loss, self.data = task.loss, (task.examples.X, task.examples.y)

    def moved(self, arrays):
        """NumPy arrays as arrays there."""
        return arrays

    def on_host(self, params):
        return params

    def wait(self):
        """Until all that was queued is done."""


class Device:
    """The current GPU."""

    def __init__(self, task: Task):
        self.target, self._task = "cuda", task
        self.options: dict = {}

    @cached_property
    def loss(self):
        from .device_losses import DeviceLoss

        return DeviceLoss(self._task.loss, np.float64)

    @cached_property
    def data(self):
        return to_device((self._task.examples.X, self._task.examples.y))

    def moved(self, arrays):
        return to_device(arrays)

    def on_host(self, params):
        return to_host(params)

    def wait(self):
        from ...kernels.cuda import gpu

        gpu.finish()


def places(task: Task, devices: list[str]) -> list:
    """One for each row that a rule gets."""
    cpu = ("serial", "parallel") if numba.config.NUMBA_NUM_THREADS > 1 else ("serial",)
    found: list = [Host(task, target) for target in cpu] if "cpu" in devices else []
    return found + ([Device(task)] if "cuda" in devices else [])


def check_devices(devices: list[str]):
    """Raise unless all are there."""
    for name in devices:
        if name not in DEVICES:
            raise BadInput(f"--device must be {' or '.join(DEVICES)}, got {name!r}")
    if "cuda" in devices and (piece := missing()):
        raise BadInput(f"--device cuda must have CUDA, got none: {piece}")
