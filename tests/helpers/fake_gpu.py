"""What the launches of fake_driver.c do: they run the PTX of a kernel, which ptx_as_c.py makes a C function of.

As a plugin of pytest (``-p fake_gpu``, with fake_driver.c built as libcuda.so.1) it runs any test of CUDA there.
"""

import ctypes
import os
import re
import subprocess
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from numba import cuda
from numba.cuda.codegen import CUDACodeLibrary
from ptx_as_c import Translation

driver = ctypes.CDLL("libcuda.so.1")
driver.fake_notes.restype = ctypes.c_char_p
WORK = tempfile.TemporaryDirectory(prefix="fake_gpu")
UINTS = ctypes.POINTER(ctypes.c_uint)
PTX = {}  # by the kernel's name


class Launch(NamedTuple):
    name: str
    device: int
    grid: tuple
    block: tuple
    stream: int
    params: list  # the bytes of each


launches: list[Launch] = []


@cache
def compiled(name):
    """The kernel's function, and the sizes of its parameters."""
    translation, stem = Translation(PTX[name]), f"{WORK.name}/{len(os.listdir(WORK.name))}"
    Path(f"{stem}.c").write_text(translation.code)
    flags = ["-O1", "-w", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", f"{stem}.so", f"{stem}.c", "-lm"], check=True)
    return ctypes.CDLL(f"{stem}.so").run, translation.params


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, UINTS, UINTS, ctypes.c_void_p, ctypes.c_void_p)
def prepare(name, device, grid, block, stream, params):
    try:
        _, sizes = compiled(name.decode())
        at = (ctypes.c_void_p * len(sizes)).from_address(params)
        values = [ctypes.string_at(address, size) for address, size in zip(at, sizes)]
        launches.append(Launch(name.decode(), device, tuple(grid[:3]), tuple(block[:3]), stream or 0, values))
    except BaseException:
        traceback.print_exc()
        return -1
    return len(launches) - 1


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
def execute(index):
    launch = launches[index]
    params = (ctypes.c_char_p * len(launch.params))(*launch.params)
    run, _ = compiled(launch.name)
    return run((ctypes.c_uint * 3)(*launch.grid), (ctypes.c_uint * 3)(*launch.block), params, driver.fake_range)


def calls():
    """What was called since the last time, of what a driver would do or wait for; kernels by their function."""
    found = driver.fake_notes().decode()
    driver.fake_forget()
    words = map(str.split, found.splitlines())
    return [function_of(word[1]) if word[0] == "cuLaunchKernelEx" else word[0] for word in words]


def function_of(kernel):
    """The name of the function that a kernel was made of: the last part of a mangled name, without its digest."""
    rest, part = kernel.removeprefix("_ZN"), kernel
    while found := re.match(r"\d+", rest):
        end = found.end() + int(found[0])
        part, rest = rest[found.end() : end], rest[end:]
    return re.sub("_[0-9a-f]{16}$", "", part)


def install():
    get_cubin = CUDACodeLibrary.get_cubin

    def remembering(self, cc=None):
        (PTX[self._entry_name],) = self.get_asm_strs(cc=cc)
        return get_cubin(self, cc=cc)

    CUDACodeLibrary.get_cubin = remembering
    driver.fake_kernels(prepare, execute)


install()


@pytest.fixture(autouse=True)
def unharmed():
    """No kernel failed, and none wrote beyond an array."""
    yield
    cuda.synchronize()
    assert driver.fake_intact()
