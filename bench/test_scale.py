"""Beyond one machine: processes beside threads, and what a large fit costs on several ranks, in bytes and memory."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from conftest import Contestant
from test_minimize_many import data, exponential

import fastopt
from fastopt.distributed.stretches import WIRE

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
JOB = Path(__file__).parent / "job_of_ranks.py"
WORKERS = [workers for workers in (1, 2, 4) if workers <= (os.cpu_count() or 1)]


def test_processes_beside_threads(race, figure):
    """20 000 fits of 300 iterations, dealt out in chunks."""
    X0, Y, t = data(exponential, False)
    given = exponential, X0, (Y,), (t,), "adam", "inplace"
    options = {"lr": 0.05, "maxiter": 300, "gtol": 0}
    expected = fastopt.minimize_many(*given, options=options).x

    def contestant(**more):
        last = {}

        def step():
            last["x"] = fastopt.minimize_many(*given, options=options, **more).x

        return Contestant(step, lambda: last["x"], expected)

    pools = {f"{n} worker processes": ProcessPoolExecutor(n, get_context("spawn")) for n in WORKERS}
    try:
        contestants = {"threads": contestant()}
        contestants |= {name: contestant(executor=pool) for name, pool in pools.items()}
        seconds = race(contestants, 1, 0.0, rounds=8)
    finally:
        for pool in pools.values():
            pool.shutdown()
    if seconds is None:
        return
    figure("20000 exponential fits, 300 iterations each, by threads", seconds["threads"] * 1e3, "ms")
    for name in pools:
        figure(f"  by {name}, times as long", seconds[name] / seconds["threads"], "×")


def test_one_rank_beside_none(race, figure):
    MPI = pytest.importorskip("mpi4py.MPI")

    def contestant(**more):
        x, g = np.zeros(10**6, np.float32), np.full(10**6, 0.5, np.float32)
        opt = fastopt.Adam(x, lr=0.25, **more)
        return Contestant(lambda: opt.step(g), lambda: x[::1000], np.full(1000, -0.5))

    contestants = {"none": contestant(), "one rank": contestant(comm=MPI.COMM_SELF)}
    seconds = race(contestants, 2, 1e-6)
    if seconds is None:
        return
    figure("Adam, float32, 10⁶ elements, without comm", seconds["none"] * 1e6, "µs")
    figure("with comm of one rank, over that", seconds["one rank"] / seconds["none"], "×", most=1.03)


@pytest.mark.parametrize("ranks", [2, 4])
def test_bytes_and_memory_of_ranks(figure, benchmark, ranks):
    """Counted, and beside the theory; the one bench here that times nothing."""
    pytest.importorskip("mpi4py")
    size = 10**6 if benchmark.disabled else 10**8
    told = benchmark.pedantic(counted, (ranks, size), rounds=1, iterations=1)
    sent, memory = np.array(told, float).T
    params = 4 * size
    expected = params + params + 2 * params / ranks + params / ranks + 2 * min(WIRE, params)
    assert sent == pytest.approx(2 * (ranks - 1) * params / ranks, rel=1e-6)
    figure(f"Adam, float32, {size:.0e} elements, {ranks} ranks, sent by each in a step", sent / 1e6, "MB")
    figure("  that over the bytes of a ring's all-reduce", sent / (2 * (ranks - 1) * params / ranks), "×", most=1.01)
    figure(f"Adam, float32, {size:.0e} elements, {ranks} ranks, memory of each", memory / 1e9, "GB")
    figure("  that over parameters, gradients, its share of state and sums, buffers", memory / expected, "×", most=1.05)


def counted(ranks, size):
    command = ["mpiexec", "-n", str(ranks), sys.executable, JOB, str(size)]
    env = os.environ | {"NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=600)
    return json.loads(done.stdout)
