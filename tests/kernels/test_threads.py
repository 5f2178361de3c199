"""Threads and forks, on every threading layer of Numba that is installed, in fresh processes."""

from importlib import import_module

import pytest
from processes import INSTALLED, Place

# An optimiser's arrays after some steps with several threads, and whether they are what one thread makes of them.
CODE = """
import os, signal, threading, warnings
import numba

def run(rule, seed=0, size=300_007, steps=3, dtype=np.float32, **options):
    rng = np.random.default_rng(seed)
    p, grads = rng.standard_normal(size).astype(dtype), rng.standard_normal((3, size)).astype(dtype)
    opt = fastopt.Optimizer(p, RULES[rule], **options)
    for k in range(steps):
        opt.step(grads[k % 3])
    return [p, *opt.state.values()]

def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
"""


def available(layer):
    try:
        import_module(f"numba.np.ufunc.{layer}")
    except ImportError:
        return False
    return True


LAYERS = [
    name for name, module in {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}.items() if available(module)
]


@pytest.fixture
def run(tmp_path):
    def run(code, **env):
        return Place(tmp_path).run(CODE + code, **INSTALLED, **env)["answers"]

    return run


@pytest.mark.parametrize("layer", LAYERS)
def test_every_thread_steps_its_own_optimiser(run, layer):
    code = """
jobs = [dict(rule="adam", seed=k, steps=40, clip_norm=(None, 1.0)[k % 2]) for k in range(8)]
expected = [run(**job, parallel=False, threads=1) for job in jobs]
found = [None] * len(jobs)
barrier = threading.Barrier(len(jobs))

def work(k):
    barrier.wait()
    found[k] = run(**jobs[k])

threads = [threading.Thread(target=work, args=(k,)) for k in range(len(jobs))]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert numba.threading_layer() == LAYER
answers["right"] = [same(a, b) for a, b in zip(found, expected)]
""".replace("LAYER", repr(layer))
    assert run(code, NUMBA_THREADING_LAYER=layer)["right"] == [1.0] * 8


FORK = """
warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)  # Python 3.12: threads are running

def forked(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(100)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1]

expected = run("adam", clip_norm=1.0, parallel=False, threads=1)
def right(seed=0):
    return same(run("adam", clip_norm=1.0, parallel=True), expected)

assert right()
assert numba.threading_layer() == LAYER
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_children_of_a_fork_step(run, layer):
    code = """
import multiprocessing
answers["child"] = forked(right)
answers["grandchild"] = forked(lambda: right() and forked(right) == 0 and right())
answers["other kernel"] = forked(lambda: same(run("lion", parallel=True), run("lion", parallel=False)))
with multiprocessing.get_context("fork").Pool(2) as pool:
    answers["pool"] = 4 - sum(pool.map(right, range(4)))
answers["parent"] = not right()
"""
    answers = run((FORK + code).replace("LAYER", repr(layer)), NUMBA_THREADING_LAYER=layer)
    assert answers == {key: [0.0] for key in ("child", "grandchild", "other kernel", "pool", "parent")}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_fork_while_another_thread_steps(run, layer):
    code = """
stop = threading.Event()
def busy():
    while not stop.is_set():
        run("adam", steps=50)

thread = threading.Thread(target=busy)
thread.start()
try:
    answers["children"] = [forked(right) for _ in range(5)]
finally:
    stop.set()
    thread.join()
"""
    code = (FORK + code).replace("LAYER", repr(layer))
    assert run(code, NUMBA_THREADING_LAYER=layer) == {"children": [0.0] * 5}


def test_one_thread(run):
    code = """
expected = run("adam", clip_norm=1.0, parallel=False)
answers["same"] = [same(run("adam", clip_norm=1.0, parallel=parallel), expected) for parallel in (None, True, False)]
try:
    run("adam", threads=2)
except ValueError as error:
    answers["refused"] = "threads must be from 1 to 1" in str(error)
"""
    assert run(code, NUMBA_NUM_THREADS="1") == {"same": [1.0] * 3, "refused": [1.0]}


def test_threads_is_for_this_optimiser_only(run):
    code = """
numba.set_num_threads(3)
seen = []
for threads in (1, 2, 3, 4, None):
    run("adam", threads=threads, clip_norm=1.0)
    seen.append(numba.get_num_threads())
p = np.zeros(300_000)
opt = fastopt.Adam(p, threads=2)
for wrong in (np.zeros(3), np.zeros(300_000, np.float32), p):
    try:
        opt.step(wrong)
    except (TypeError, ValueError):
        seen.append(numba.get_num_threads())

def elsewhere():
    run("adam", threads=2)
    seen.append(numba.get_num_threads() - 1)

thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
answers["seen"] = seen
"""
    assert run(code, NUMBA_NUM_THREADS="4")["seen"] == [3.0] * 9


def test_any_number_of_threads_gives_the_same_bits(run):
    code = """
from fastopt.kernels import norms as reduce

different = []
for rule, dtype in (("lion", np.float32), ("adam", np.float32), ("adam", np.float64)):
    for size in (1, 2, 3, 5, 33, 257, 1000, 65_539):
        expected = run(rule, size=size, dtype=dtype, parallel=False)
        for threads in (2, 3, 4, None):
            if not same(run(rule, size=size, dtype=dtype, parallel=True, threads=threads), expected):
                different.append((rule, size, dtype, threads))
for size in (1, 255, 2**15 + 1, 2**18 - 1, 2**18, 2**18 + 1, 10**6 + 1):
    for dtype in (np.float32, np.float64):
        g = np.random.default_rng(size).standard_normal(size).astype(dtype)
        norms = {reduce.norm([g], reduce.workspace(size), threads=threads) for threads in (1, 2, 3, 4, None)}
        root, unit = norms.pop()
        if norms or abs(root / unit / np.linalg.norm(g.astype(float)) - 1) > 1e-12:
            different.append((size, dtype))
answers["different"] = len(different)
assert not different, different
"""
    assert run(code, NUMBA_NUM_THREADS="4") == {"different": [0.0]}


def test_the_first_compilation_by_many_threads(tmp_path):
    code = """
found = [None] * 6
barrier = threading.Barrier(len(found))

def work(k):
    barrier.wait()
    params = fastopt.pack([np.ones(5, np.float32), np.ones((2, 3), np.float32)])
    opt = fastopt.Adam(params, parallel=True, clip_norm=1.0)
    opt.step([np.ones(5, np.float32), np.ones((2, 3), np.float32)])
    found[k] = params.buffers[0]

threads = [threading.Thread(target=work, args=(k,)) for k in range(len(found))]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not [k for k, a in enumerate(found) if a is None]
answers["right"] = [np.allclose(a, 0.999, rtol=1e-6) for a in found]
"""
    done = Place(tmp_path).run(CODE + code)
    assert done["answers"]["right"] == [1.0] * 6
    kernels = [name for name in done["compiled"] if name.startswith(("adam_", "squares_", "examined_"))]
    assert len(kernels) == len(set(kernels)), "one kernel compiled more than once"
