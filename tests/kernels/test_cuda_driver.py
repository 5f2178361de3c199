"""The tests of CUDA as they run on a GPU (Numba, its driver calls, the PTX of kernels), on a driver that needs none.

What is not there is a GPU's own arithmetic, and the time that anything takes. In processes of their own: a driver is
loaded once.
"""

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

TESTS = Path(__file__).parents[1]
HELPERS = TESTS / "helpers"


def reason():
    """Why these tests cannot run here, if they cannot."""
    if config.ENABLE_CUDASIM:
        return "the simulator needs no driver"
    if importlib.util.find_spec("numba_cuda") is None:
        return "needs the cuda extra: ci/test --with cuda"
    if sys.platform != "linux" or shutil.which("gcc") is None:
        return "needs gcc on Linux"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return "there is a real driver"


pytestmark = pytest.mark.skipif(reason() is not None, reason=reason() or "")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run Python on the fake driver, with this many GPUs."""
    folder = tmp_path_factory.mktemp("driver")
    flags = ["-O1", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    subprocess.run(["gcc", *flags, "-o", folder / "libcuda.so.1", HELPERS / "fake_driver.c", "-ldl"], check=True)
    added = {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(HELPERS)}  # of the driver, and of the plugin
    paths = {name: os.pathsep.join(filter(None, [path, os.environ.get(name)])) for name, path in added.items()}

    def run(devices, *arguments):
        unset = ("NUMBA_DISABLE_CUDA", "CUDA_VISIBLE_DEVICES")
        env = {name: value for name, value in os.environ.items() if name not in unset}
        done = subprocess.run(
            [sys.executable, *arguments],
            env=env | paths | {"FAKE_DEVICES": str(devices)},
            capture_output=True,
            text=True,
            cwd=TESTS.parent,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
        return done.stdout

    return run


NAMES = [
    "arrays/test_cuda_dlpack",
    "cli/test_cuda_compare",
    "solve/test_cuda_minimize_many",
    "step/test_cuda_optimizer",
]
NAMES += ["step/test_cuda_steps", "targets/test_cuda_refusals", "test_cuda_readme", "train/test_cuda_fit"]
FILES = ["kernels/driver_checks.py", *(f"{name}.py" for name in NAMES)]
FILES += ["step/test_bad_input.py::test_parameters_of_a_wrong_kind"]
# Each rule once, in float32: the simulator runs all of them
CHOSEN = "not (test_options or test_sizes or test_capturable or nan_in or test_rule and (float64 or not defaults))"


@pytest.mark.parametrize(("devices", "files", "chosen"), [(1, FILES, CHOSEN), (2, FILES[:1], "gpu")])
def test_on_the_fake_driver(devices, files, chosen, run):
    paths = [str(TESTS / file) for file in files]
    out = run(devices, "-m", "pytest", "-p", "no:cacheprovider", "-p", "fake_gpu", "-k", chosen, *paths)
    assert re.search(r"\d+ passed", out)


@pytest.mark.parametrize(("devices", "words"), [(0, "none: no CUDA device is visible"), (1, "compute capability 9.0")])
def test_info(devices, words, run):
    assert re.search(rf"cuda +.*{re.escape(words)}", run(devices, "-m", "fastopt", "info"))
