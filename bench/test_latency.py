"""How long a fresh process waits: for the import, for the first step, and for a loop around a new objective, with a
warm and with an empty cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastopt

FOLDER = Path(__file__).parent
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
    return answer("-c", code, env=env)


def answer(*arguments, env):
    """What a process of Python's prints in its last line."""
    done = subprocess.run([sys.executable, *map(str, arguments)], env=env, capture_output=True, text=True, check=True)
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
    figure("first step in a process, empty cache", wall[:, 2], "s", most=1.2)
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


WARM = {"minimize": 0.25, "fit": 0.25, "minimize_many": 1.0, "curve_fit_many": 1.0}  # seconds, at most
EMPTY = {"minimize": 2.0, "fit": 3.0, "minimize_many": 4.0, "curve_fit_many": 4.0}


@pytest.mark.parametrize("work", WARM)
def test_new_objectives(benchmark, figure, few, jax_peers, tmp_path, work):
    """What every edit of an objective costs. JAX has no cache here: it compiles the loop with each objective."""
    ours, empty, jaxs = [], [], []

    def one_of_each():
        cache = {"NUMBA_CACHE_DIR": str(tmp_path / f"{len(ours) if few else len(ours) % COLD}")}
        program = FOLDER / "first_calls.py", work
        if len(empty) < (1 if few else COLD):
            empty.append(answer(*program, 2 * len(ours), env=environment(tmp_path) | cache))
        ours.append(answer(*program, 2 * len(ours) + 1, env=environment(tmp_path) | cache))
        if jax_peers:
            jaxs.append(answer(FOLDER / "first_calls_jax.py", work, env=environment(tmp_path)))

    benchmark.pedantic(one_of_each, rounds=1 if few else 2 * COLD, iterations=1)
    first, another = np.transpose(ours)
    figure(f"{work}, a new objective, warm cache", another, "s", most=WARM[work])
    figure("  the first in a process, which starts Numba", first, "s")
    figure("  the first in a process, empty cache", np.array(empty)[:, 0], "s", most=EMPTY[work])
    if jax_peers:
        first, another = np.transpose(jaxs)
        figure("  JAX, a new objective", another, "s")
        figure("  JAX, the first in a process", first, "s")


def test_options_of_minimize_many(benchmark, figure, few, tmp_path):
    """Switched on in a process whose cache knows the loop without them."""
    samples = []

    def switched():
        cache = {"NUMBA_CACHE_DIR": str(tmp_path / f"{len(samples)}")}
        env = environment(tmp_path) | cache
        samples.append(answer(FOLDER / "first_calls.py", "options", len(samples), env=env)[2:])

    benchmark.pedantic(switched, rounds=1 if few else COLD, iterations=1)
    for name, seconds in zip(("weight_decay", "clip_norm", "best", "ftol"), np.transpose(samples)):
        figure(f"minimize_many, {name} switched on", seconds, "s")
