"""The workqueue layer, which ends the process where two threads launch: ours do not, beside the user's."""

import math
import subprocess
import sys
from types import ModuleType

from numba import njit, prange, types
from numba.experimental import jitclass
from numba.extending import overload
from processes import with_package

from fastopt.kernels.digest import may_launch

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

functions = (plain, nested)

@njit
def nested_in_tuple(x, grad, a):
    return functions[1](x, grad, a)

def solve(fun, k=64):
    options = {"maxiter": 50, "gtol": 0.0, "maxtime": 99}
    return fastopt.minimize_many(fun, np.ones((k, 1)), (np.ones((k, 1000)),), (), "gd", "inplace", options=options)

alone = solve(plain)
for fun in (nested, nested_in_tuple):
    assert solve(fun).nit.sum() == 3200
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


def stands_for(a):
    """Has no code of its own."""


@overload(stands_for)
def _stands_for(a):
    return lambda a: total(a)


def stands_for_parallel(a):
    """The same, compiled in parallel."""


@overload(stands_for_parallel, jit_options={"parallel": True})
def _stands_for_parallel(a):
    return lambda a: a.sum()


@jitclass([("n", types.int64)])
class Box:
    def __init__(self):
        self.n = 0

    def deep(self, a):
        return total(a)


package = ModuleType("package")
package.module = ModuleType("package.module")
package.module.deep = total
in_tuple = (math.sin, total)


def test_what_starts_threads_is_found():
    held = total

    @njit
    def closure(a):
        return held(a)

    @njit
    def recursive(n):
        return recursive(n - 1) if n else 0

    launching = {
        "itself": total,
        "a name": caller,
        "a name's name": njit(lambda a: caller(a)),
        "a cell": closure,
        "a module's module": njit(lambda a: package.module.deep(a)),
        "an overload": njit(lambda a: stands_for(a)),
        "a parallel overload": njit(lambda a: stands_for_parallel(a)),
        "a method": njit(lambda a: Box().deep(a)),
        "a method of an argument": types.Tuple((Box.class_type.instance_type,)),
        "a tuple": njit(lambda a: in_tuple[1](a)),
    }
    assert [name for name, thing in launching.items() if not may_launch(thing)] == []
    assert not any(map(may_launch, (njit(lambda a: a.sum()), recursive, types.Tuple((types.float64[::1],)))))
