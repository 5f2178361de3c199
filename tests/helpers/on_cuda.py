"""What the tests of CUDA share. They run on a GPU, and without one in Numba's simulator (test_cuda_simulated.py)."""

import pytest
from stepping import BY_NAME, spelt

import fastopt
from fastopt.targets import missing

if missing():
    pytest.skip(f"{missing()}; test_cuda_simulated.py runs them in the simulator", allow_module_level=True)

from numba import config, cuda

SIMULATED = bool(config.ENABLE_CUDASIM)
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # of kernels in the tests, which are small


def gpu(tree):
    """A nest of NumPy arrays on the device, None where it holds None."""
    if isinstance(tree, dict):
        return {key: gpu(child) for key, child in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(gpu(child) for child in tree)
    return tree if tree is None else cuda.to_device(tree)


def host(tree):
    if isinstance(tree, dict):
        return {key: host(child) for key, child in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [host(child) for child in tree]
    return tree.copy_to_host()


def on_gpu(name, params, **hyper):
    return fastopt.Optimizer(gpu(params), BY_NAME[name], **spelt(hyper))
