"""Many threads at once, each with work of its own or all with one optimiser, under every threading layer; and forks."""

import contextlib
import json
import subprocess
import sys
from importlib import import_module

from processes import with_package

PROMISE = "Any thread may step, fit and minimise; an optimiser that two threads step at once refuses"
TRIED = "calls from threads and forked processes, under each threading layer"
PATIENCE, SHORT = 300, (4, 58)

LAYERS = ("omp", "workqueue", "tbb")
WORKS = ("own steps", "one optimiser", "many", "many with prange", "own prange", "minimize", "fit", "fork")

CHILD = """
import json, os, sys, threading
import numba, numpy as np
from numba import njit, prange
import fastopt

works, rounds = json.loads(sys.argv[1])
wrong, done = [], [0]

@njit
def fun(x, grad):
    grad[:] = 2 * (x - 1.0)
    return ((x - 1.0) ** 2).sum()

@njit(parallel=True)
def parallel_fun(x, grad):
    f = 0.0
    for i in prange(x.size):
        f += (x[i] - 1.0) ** 2
    for i in range(x.size):
        grad[i] = 2 * (x[i] - 1.0)
    return f

@njit(parallel=True, nogil=True)
def users(a):
    for i in prange(a.size):
        a[i] += 1.0

@njit
def loss(w, g, x):
    g[:] += (w - 1.0) * x.size
    return float(x.size)

one = np.zeros(200_000)
shared = fastopt.SGD(one, lr=1.0, parallel=True)
applied = [0]
counting = threading.Lock()

def work(kind):
    if kind == "own steps":
        p = np.zeros(50_000)
        opt = fastopt.SGD(p, lr=0.25, parallel=True)
        for _ in range(20):
            opt.step(np.ones(p.size))
        return opt.t == 20 and (p == -5.0).all()
    if kind == "one optimiser":
        g = np.full(one.size, -1.0)
        for _ in range(50):
            try:
                shared.step(g)
            except RuntimeError:
                continue
            with counting:
                applied[0] += 1
        return True
    if kind in ("many", "many with prange"):
        which = fun if kind == "many" else parallel_fun
        options = {"lr": 0.1, "maxiter": 50, "gtol": 0}
        res = fastopt.minimize_many(which, np.zeros((50, 3)), jac="inplace", options=options)
        return (res.nit == 50).all() and (res.x == res.x[0, 0]).all()
    if kind == "own prange":
        a = np.zeros(10_000)
        for _ in range(20):
            users(a)
        return (a == 20).all()
    if kind == "minimize":
        return fastopt.minimize(fun, np.zeros(3), jac="inplace", options={"lr": 0.1}).success
    if kind == "fit":
        w = np.zeros(2)
        fastopt.fit(loss, fastopt.SGD(w, lr=0.01), np.ones(64), batch_size=8, epochs=4)
        return abs(w - (1 - 0.92**32)).max() < 1e-12
    pid = os.fork()
    if pid == 0:
        p = np.zeros(50_000)
        fastopt.SGD(p, lr=1.0, parallel=True).step(np.ones(p.size))
        os._exit(0 if (p == -1).all() else 1)
    return os.waitpid(pid, 0)[1] == 0

def thread(kind):
    for _ in range(rounds):
        try:
            if not work(kind):
                wrong.append(f"{kind} gave a wrong result")
        except BaseException as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
        done[0] += 1

import warnings
warnings.simplefilter("ignore")
for kind in dict.fromkeys(works):
    if kind != "fork":
        work(kind)
threads = [threading.Thread(target=thread, args=(kind,)) for kind in works if kind != "fork"]
for t in threads: t.start()
if "fork" in works: thread("fork")
for t in threads: t.join()
if shared.t != applied[0] or (one != applied[0]).any():
    wrong.append(f"t is {shared.t} after {applied[0]} steps, parameters {set(one)}")
print(json.dumps({"done": done[0], "wrong": wrong[:3]}))
"""


def draw(rng):
    return {
        "layer": LAYERS[rng.integers(len(LAYERS))],
        "works": [WORKS[rng.integers(len(WORKS))] for _ in range(rng.integers(2, 7))],
        "rounds": int(rng.integers(1, 6)),
    }


def run(case):
    layer, works = case["layer"], case["works"]
    if layer not in available():
        layer = available()[0]
    if layer == "workqueue":  # which ends processes that run parallel code of their own in two threads
        theirs = [work for work in works if "prange" in work]
        works = [work for work in works if "prange" not in work] + theirs[:1]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps([works, case["rounds"]])],
        env=with_package(NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="4", OMP_WAIT_POLICY="passive"),
        capture_output=True,
        text=True,
        timeout=PATIENCE - 20,
    )
    assert done.returncode == 0, f"{layer}: ended with {done.returncode}: {done.stderr[-200:]}"
    said = json.loads(done.stdout.splitlines()[-1])
    assert not said["wrong"], said["wrong"]
    return said["done"]


def available():
    """The threading layers that can be loaded here."""
    found = []
    for layer, module in {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}.items():
        with contextlib.suppress(ImportError):
            import_module(f"numba.np.ufunc.{module}")
            found.append(layer)
    return found
