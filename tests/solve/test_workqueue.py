"""The workqueue layer, which ends the process where two threads launch: ours do not, beside the user's."""

import subprocess
import sys

from numba import njit, prange
from processes import with_package

from fastopt.kernels.nested import starts_threads

CODE = """
import threading, numba, numpy as np, fastopt
from numba import njit, prange
from fastopt.cli.info import threading_layer

@njit(parallel=True, nogil=True)
def total(a):
    s = 0.0
    for i in prange(a.size):
        s += a[i]
    return s

@njit
def plain(x, grad, a):
    grad[:] = 2 * x
    return x[0] * x[0] + a[0]

@njit
def nested(x, grad, a):
    grad[:] = 2 * x
    return x[0] * x[0] + total(a)

def solve(fun, k=64):
    options = {"maxiter": 50, "gtol": 0.0, "maxtime": 99, "inline": False}
    return fastopt.minimize_many(fun, np.ones((k, 1)), (np.ones((k, 1000)),), (), "gd", "inplace", options=options)

alone = solve(plain)
assert solve(nested).nit.sum() == 3200
stop = []
def user():
    a = np.ones(10**6)
    while not stop:
        total(a)
other = threading.Thread(target=user)
other.start()
try:
    for _ in range(20):
        assert solve(plain).x.tobytes() == alone.x.tobytes()
finally:
    stop.append(1)
other.join()
print(threading_layer())
"""


def test_nothing_ends_the_process():
    env = with_package(NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2")
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "workqueue, so serial where there are other threads\n"


@njit(parallel=True)
def total(a):
    s = 0.0
    for i in prange(a.size):
        s += a[i]
    return s


@njit
def caller(a):
    return total(a)


def test_what_starts_threads_is_found():
    held = total

    @njit
    def closure(a):
        return held(a)

    @njit
    def recursive(n):
        return recursive(n - 1) if n else 0

    assert all(map(starts_threads, (total, caller, closure, njit(lambda a: caller(a)))))
    assert not any(map(starts_threads, (njit(lambda a: a.sum()), recursive)))
