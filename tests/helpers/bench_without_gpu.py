"""A pytest plugin: bench/test_gpu.py without a GPU. PyTorch's tensors stay on the CPU, and the simulator steps them."""

import contextlib
from types import SimpleNamespace

import torch
from numba import config

from fastopt.kernels.cuda import gpu as cuda
from fastopt.step.optimizer import Optimizer

assert cuda.SIMULATED
config.ENABLE_CUDASIM = 0  # the races refuse it

TINY = {"PLACE": "cpu", "QUEUE": 3, "ROUNDS": 2, "LARGE": 40, "MIDDLE": 30, "MANY": 3, "SMALL": 5}
TINY |= {"FITS": 4, "ITERATIONS": 2}
LARGEST = 1000  # of test_sizes

torch.Tensor.is_cuda = property(lambda tensor: True)
torch.cuda.is_available = lambda: True
torch.cuda.synchronize = lambda: None
torch.cuda.get_device_name = lambda: "Some Card 80GB"
torch.cuda.current_stream = lambda device=None: SimpleNamespace(cuda_stream=0)


class Graph:
    """Steps that were captured, not made."""

    def __init__(self):
        self.steps = []

    def replay(self):
        for step in self.steps:
            step()


@contextlib.contextmanager
def capture(graph):
    step = Optimizer.step
    Optimizer.step = lambda opt, grads: graph.steps.append(lambda: step(opt, grads))
    yield
    Optimizer.step = step


torch.cuda.CUDAGraph, torch.cuda.graph = Graph, capture


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if getattr(item, "callspec", None) is None or size(item) <= LARGEST]
    for item in items:
        vars(item.module).update(TINY)


def size(item):
    return item.callspec.params.get("size", 0)
