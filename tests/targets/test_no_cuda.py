"""Asking for CUDA where a piece of it is missing: one line that names the piece. In fresh processes, on any machine."""

import json
import subprocess
import sys

import pytest
from processes import with_package

CODE = """
import json, os, sys
import numpy as np
import fastopt
from stand_ins import Unreachable, UnreachableDLPack

x = np.ones(3)
CALLS = {
    "device=": lambda: fastopt.Adam(x, device="cuda"),
    "optimiser": lambda: fastopt.Adam(Unreachable()),
    "nest": lambda: fastopt.Optimizer({"a": x, "b": [Unreachable()]}, fastopt.rules.RULES[0]),
    "DLPack": lambda: fastopt.SGD(UnreachableDLPack()),
    "pack": lambda: fastopt.pack([Unreachable()]),
    "to_device": lambda: fastopt.to_device(x),
    "to_host": lambda: fastopt.to_host(Unreachable()),
    "curves": lambda: fastopt.curve_fit_many(abs, x, Unreachable(), x),
    "least squares": lambda: fastopt.least_squares_many(abs, Unreachable()),
}

def tried(call):
    try:
        return call()
    except Exception as error:
        return [type(error).__name__, str(error)]

def told():
    return {name: tried(call) for name, call in CALLS.items()}
"""

SAY = "print(json.dumps(told()))\n"

NO_DRIVER = """
import ctypes

class Hidden(ctypes.CDLL):
    def __init__(self, name, *args, **options):
        if "libcuda.so" in str(name):
            raise OSError("there is none")
        super().__init__(name, *args, **options)

ctypes.CDLL = Hidden
"""

NO_PACKAGE = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba_cuda" else find(name, *rest)
"""

# Numba's driver as it is where one was found and initialised, in this process
INITIALISED = """
from numba.cuda.cudadrv.driver import driver
driver.is_initialized, driver.initialization_error, driver.pid = True, None, os.getpid()
"""

NO_DEVICE = (
    INITIALISED
    + """
from numba import cuda
cuda.gpus = []
"""
)

FAILS = """
from numba.cuda.cudadrv.driver import driver
driver.is_initialized, driver.initialization_error = True, "Call to cuInit results in CUDA_ERROR_UNKNOWN. Twice (999)"
"""

# as the driver fails where another library initialised it before the fork
ELSEWHERE = FAILS.replace("UNKNOWN", "NOT_INITIALIZED")

FORK = (
    INITIALISED
    + """
child = os.fork()
if child == 0:
    print(json.dumps(told()), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
from fastopt.kernels.cuda import gpu as cuda
assert not cuda.forked()
"""
)

UNTOUCHED = """
fastopt.Adam(x).step(x.copy())
fastopt.minimize(lambda x: (x @ x, 2 * x), np.ones(2), jac=True)
unwanted = "fastopt.targets.cuda", "fastopt.kernels.cuda.gpu", "numba.cuda", "torch", "cupy", "cuda.core"
print(json.dumps([name for name in unwanted if name in sys.modules]))
"""


def run(code, **env):
    unset = {"NUMBA_ENABLE_CUDASIM": None, "NUMBA_DISABLE_CUDA": None}
    done = subprocess.run(
        [sys.executable, "-c", CODE + code],
        env=with_package(**unset | env),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


CASES = {
    "disabled": (SAY, {"NUMBA_DISABLE_CUDA": "1"}, "NUMBA_DISABLE_CUDA is set"),
    "no package": (NO_PACKAGE + SAY, {}, 'the package numba-cuda is missing: pip install "fastopt[cuda]"'),
    "no driver": (NO_DRIVER + SAY, {}, "the NVIDIA driver is missing"),
    "a driver that fails": (FAILS + SAY, {}, "CUDA_ERROR_UNKNOWN"),
    "no device": (NO_DEVICE + SAY, {}, "no CUDA device is visible"),
    "forked": (FORK, {}, "start it with the method 'spawn'"),
    "forked from another library": (ELSEWHERE + SAY, {}, "start it with the method 'spawn'"),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.needs("cuda")] * (case != "no package")) for case in CASES]
)
def test_the_missing_piece_is_named(case):
    code, env, piece = CASES[case]
    told = run(code, **env)
    assert len(told) == 9
    for name, (kind, message) in told.items():
        assert kind == "RuntimeError", (name, kind, message)
        assert piece in message, (name, message)
        assert " must have CUDA, got none: " in message
        assert len(message.splitlines()) == 1
        assert len(message) <= 300
    assert told["nest"][1].startswith("params['b'][0], on the GPU, ")
    assert told["device="][1].startswith("device='cuda' ")


def test_the_cpu_touches_no_cuda():
    """So a child that is forked may use it: nothing was initialised."""
    assert run(UNTOUCHED) == []
