"""The tests of CUDA as they run on a GPU (Numba, its driver calls, the PTX of kernels), on a driver that needs none.

What is not there is a GPU's own arithmetic, and the time that anything takes. In processes of their own: a driver is
loaded once.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import fresh
from numba import config
from pytest_runs import run_pytest

TESTS = Path(__file__).parents[1]
HELPERS = TESTS / "helpers"


def reason():
    """Why these tests cannot run here, if they cannot."""
    if config.ENABLE_CUDASIM:
        return "the simulator needs no driver"
    if sys.platform != "linux" or shutil.which("gcc") is None:
        return "needs gcc on Linux"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return "there is a real driver"


pytestmark = [pytest.mark.needs("cuda"), pytest.mark.skipif(reason() is not None, reason=reason() or "")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The environment of a process that loads the fake driver, with this many GPUs."""
    folder = tmp_path_factory.mktemp("driver")
    flags = ["-O1", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    subprocess.run(["gcc", *flags, "-o", folder / "libcuda.so.1", HELPERS / "fake_driver.c", "-ldl"], check=True)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("LD_LIBRARY_PATH")]))
    unset = dict.fromkeys(("NUMBA_DISABLE_CUDA", "CUDA_VISIBLE_DEVICES"))
    return lambda devices: unset | {"LD_LIBRARY_PATH": path, "FAKE_DEVICES": str(devices)}


NAMES = [
    "arrays/test_cuda_dlpack",
    "cli/test_cuda_compare",
    "solve/test_cuda_curve_fit",
    "solve/test_cuda_forward",
    "solve/test_cuda_minimize_many",
    "step/test_cuda_optimizer",
]
NAMES += ["step/test_cuda_steps", "targets/test_cuda_refusals", "test_cuda_readme", "train/test_cuda_fit"]
FILES = ["kernels/driver_checks.py", *(f"{name}.py" for name in NAMES)]
FILES += ["step/test_bad_input.py::test_parameters_of_a_wrong_kind"]
PROCESSES = 3  # in one alone, the tests with one GPU would take as long as all others that need extras
# Each rule once, in float32: the simulator runs all of them
CHOSEN = "not (test_options or test_sizes or test_capturable or nan_in or test_rule and (float64 or not defaults)"
CHOSEN += " or branches or rosen-17 or misfit and float64 or rosen and float32)"
# Of branches and rosen-17 the PTX calls functions, or has local memory; what is left of those is once in each dtype


@pytest.mark.early
@pytest.mark.parametrize(
    ("devices", "files", "chosen"),
    [*((1, FILES[k::PROCESSES], CHOSEN) for k in range(PROCESSES)), (2, FILES[:1], "gpu")],
)
def test_on_the_fake_driver(devices, files, chosen, loaded):
    paths = [TESTS / file for file in files]
    skips = ["runs with two GPUs"] if devices == 1 and FILES[0] in files else []
    assert run_pytest("-p", "fake_gpu", "-k", chosen, *paths, skips=skips, **loaded(devices))


@pytest.mark.needs("peers", "torch")
def test_tensors_of_pytorch(loaded):
    assert run_pytest("-p", "fake_gpu", TESTS / "torch/driver_tensors.py", **loaded(2))


@pytest.mark.parametrize(("devices", "words"), [(0, "none: no CUDA device is visible"), (1, "compute capability 9.0")])
def test_info(devices, words, loaded):
    done = fresh("info", **loaded(devices))
    assert done.returncode == 0, done.stderr
    assert re.search(rf"cuda +.*{re.escape(words)}", done.stdout)
