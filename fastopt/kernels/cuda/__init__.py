"""Kernels on NVIDIA GPUs: loops, how they are bound, and the memory they work on."""

import importlib.util

from numba import config

if not config.ENABLE_CUDASIM and importlib.util.find_spec("numba_cuda") is None:
    need = 'the kernels on GPUs need the package numba-cuda: pip install "fastopt[cuda]"'
    raise ModuleNotFoundError(need, name="numba_cuda")
