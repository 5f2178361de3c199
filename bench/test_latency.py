"""How long a fresh process waits: for the import, and for the first step, with a warm and with an empty cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastopt

PROCESSES, COLD, QUICK = 15, 3, 3
STEP = """
import json
from time import perf_counter, process_time
def now(): return perf_counter(), process_time()
times = [now()]
import numba, numpy as np
times.append(now())
import fastopt
times.append(now())
p = np.ones(1000, np.float32)
fastopt.Adam(p).step(np.ones(1000, np.float32))
times.append(now())
assert abs(p - 0.999).max() < 1e-6
print(json.dumps(times))
"""
FLOOR = """
import json
from time import perf_counter
import numba, numpy as np
import one
t0 = perf_counter()
one.f(np.ones(1000))
print(json.dumps([perf_counter() - t0]))
"""
WARMUP = """
import json
from time import perf_counter
t0 = perf_counter()
from fastopt.cli.commands import app
app(["warmup", "--rule", "adam", "--dtype", "float32"], standalone_mode=False)
print(json.dumps([perf_counter() - t0]))
"""
ONE = """
import numba
@numba.njit(cache=True)
def f(a):
    a[0] = 2.0
"""


@pytest.fixture
def few(benchmark, pytestconfig):
    """Whether only few processes may be started."""
    return benchmark.disabled or pytestconfig.getoption("quick")


def environment(folder):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPATH": os.pathsep.join((str(folder), str(Path(fastopt.__file__).parents[1])))}


def run(code, env):
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_with_an_empty_cache(benchmark, figure, few, tmp_path):
    """The first step ever compiles its kernel; ``fastopt warmup`` does so beforehand."""
    samples = {STEP: [], WARMUP: []}

    def both():
        for k, code in enumerate(samples):
            cache = {"NUMBA_CACHE_DIR": str(tmp_path / f"{len(samples[code])} {k}")}
            samples[code].append(run(code, environment(tmp_path) | cache))

    benchmark.pedantic(both, rounds=1 if few else COLD, iterations=1)
    wall = np.diff(samples[STEP], axis=1)[:, :, 0]
    figure("first step in a process, empty cache", wall[:, 2], "s")
    figure("fastopt warmup, one rule and dtype, empty cache", np.ravel(samples[WARMUP]), "s")


def test_latency(benchmark, figure, few, tmp_path):
    (tmp_path / "one.py").write_text(ONE)
    env = environment(tmp_path)

    def seconds(code):
        return run(code, env)

    def both():
        return seconds(STEP), seconds(FLOOR)

    both()  # fills the caches
    samples = []
    benchmark.pedantic(lambda: samples.append(both()), rounds=QUICK if few else PROCESSES, iterations=1)
    ours, floor = (np.array(part) for part in zip(*samples))
    wall, cpu = np.moveaxis(np.diff(ours, axis=1), 2, 0)
    figure("import fastopt after numba and numpy", wall[:, 1] * 1e3, "ms", most=50)
    figure("  its CPU time, which other processes disturb less", cpu[:, 1] * 1e3, "ms")
    figure("  import numba, numpy", wall[:, 0] * 1e3, "ms")
    figure("first step in a process, warm cache", wall[:, 2], "s", most=0.35)
    figure("  its CPU time", cpu[:, 2], "s")
    figure("  first call of any cached Numba function", floor[:, 0], "s")
