"""minimize_many by the workers of an executor: the same bits as without, whoever they are; and what goes wrong."""

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from types import ModuleType

import executed
import numba
import numpy as np
import pytest
from executed import Inline, both, with_raising
from numba import njit

import fastopt
from fastopt import schedules
from fastopt.distributed import executors, functions, tasks

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12 on a fork
]
KINDS = ("threads", "fork", "spawn", "forkserver", "loky")
CORES = tasks._cores()


@cache
def pool(kind):
    if kind == "threads":
        return ThreadPoolExecutor(2)
    if kind == "loky":
        loky = pytest.importorskip("joblib.externals.loky")
        return loky.get_reusable_executor(max_workers=2)
    return ProcessPoolExecutor(2, multiprocessing.get_context(kind))


@pytest.fixture(scope="module", autouse=True)
def _pools():
    yield
    for kind in KINDS:
        pool(kind).shutdown()
    pool.cache_clear()


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_a_run_without(kind):
    given = with_raising(41)
    res = both(pool(kind), executed.line_, given, lr=schedules.cosine(0.1, 60), best=True)
    assert res.lanes == 1
    assert (res.status == 5).sum() == 2
    res = both(pool(kind), executed.curve, executed.problems(41), jac=None, gtol=0.05, maxiter=400)
    assert res.lanes == 8


@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (3, None), (None, 7), (2, 100)])
def test_whatever_the_number_of_workers_and_the_chunks(workers, chunk):
    bounds = list(zip([0.2, -0.5], [1.2, 0.4]))
    scale = np.linspace(0.5, 2.0, 2 * 19).reshape(19, 2)
    X, (Y,), shared = with_raising(19)
    for args in ((Y,), (np.asfortranarray(Y),), (np.repeat(Y, 2, axis=1)[:, ::2],)):
        res = both(Inline(2), executed.line_, (X, args, shared), num_workers=workers, chunk=chunk, bounds=bounds)
        both(Inline(2), executed.line_, (X, args, shared), num_workers=workers, chunk=chunk, x_scale=scale)
    assert set(res.status) == {0, 1, 5}


@pytest.mark.parametrize("kind", ["threads", "spawn"])
def test_python_functions_and_rules_of_ones_own(kind):
    given = with_raising(9)
    own = fastopt.Rule(
        name="own", update=lambda p, g, lr: (p - lr * g,), coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1}
    )
    half = np.float32(0.5)
    inside = njit(lambda x, grad, y, t: executed.line_(x, grad, y, t))
    both(pool(kind), executed.line, given, executed.RULE)
    both(pool(kind), lambda *args: executed.line(*args), given, own, lr=lambda step: 0.1 / (1 + step))
    both(pool(kind), inside, given, own, before=lambda p, g: g * half, cautious=True)
    both(pool(kind), executed.gradient_of_curve, executed.problems(9))


def test_sums_over_rows_that_lie_apart():
    """As BLAS and NumPy add them: in an order that depends on it."""
    rng = np.random.default_rng(0)
    Y, t = rng.normal(size=(999, 6)).T, rng.normal(size=2 * 999)[::2]
    both(Inline(2), executed.dot, (np.ones((6, 2)), (Y,), (t,)), chunk=1, maxiter=2)
    both(Inline(2), executed.dot, (np.ones((6, 2)), (Y.copy(),), (t,)), chunk=4, maxiter=2)


def test_errors_of_arithmetic_are_those_of_the_call():
    def divides(x, grad, y, t):
        grad[:] = y[:2] / (t[:2] * 0.0)
        return 0.0

    with np.errstate(all="raise"):
        assert set(both(pool("threads"), divides, executed.problems(3)).status) == {5}
    with np.errstate(all="ignore"):
        assert set(both(pool("threads"), divides, executed.problems(3)).status) == {3}


def test_no_problems_and_one():
    X, (Y,), shared = executed.problems(1)
    both(Inline(2), executed.line_, (X[:0], (Y[:0],), shared))
    both(Inline(2), executed.line_, (X, (Y,), shared))


@pytest.mark.parametrize("maxtime", [0.0, 1e9])
def test_time_that_is_over_at_once_or_never(maxtime):
    res = both(Inline(2), executed.line_, executed.problems(9), maxtime=maxtime)
    assert np.isnan(res.fun).all() == (maxtime == 0.0)


# ---------------------------------------------------------------- how it is dealt out


def test_four_chunks_for_each_worker(monkeypatch):
    def chunks(executor, **more):
        fastopt.minimize_many(executed.line_, *executed.problems(48), "adam", "inplace", executor=executor, **more)
        return len(executor.sizes)

    assert chunks(Inline(3)) == 12
    assert chunks(Inline(3), num_workers=2) == 8
    assert chunks(Inline(3), chunk=5) == 10
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert chunks(Inline()) == 16, "three each"


def test_what_all_share_goes_once_to_a_worker():
    X, (Y,), (t,) = executed.problems(64)
    large = np.zeros(200_000)

    def sums(x, grad, y, t, large):
        return executed.line(x, grad, y, t) + large[0]

    one = Inline(1)
    fastopt.minimize_many(sums, X, (Y,), (t, large), "adam", "inplace", executor=one, chunk=2, options={"maxiter": 1})
    assert sum(size > large.nbytes for size in one.sizes) == 1
    with Sent(2) as two:
        args = sums, X, (Y,), (t, large), "adam", "inplace"
        fastopt.minimize_many(*args, executor=two, chunk=2, options={"maxiter": 1})
        assert 2 <= sum(size > large.nbytes for size in two.sizes) <= 10
        assert len(two.sizes) >= 32


class Sent(ProcessPoolExecutor):
    """Counts the bytes of tasks, which are many to a worker."""

    def __init__(self, workers):
        super().__init__(workers, multiprocessing.get_context("fork"))
        self.sizes = []

    def submit(self, fn, /, *args):
        self.sizes.append(sum(len(a) for a in args if isinstance(a, bytes)))
        return super().submit(fn, *args)


def test_what_each_has_goes_with_its_chunk():
    X, args, shared = executed.problems(20_000)
    options, one = {"x_scale": np.ones_like(X), "maxiter": 0}, Inline(1)
    fastopt.minimize_many(executed.curve, X, args, shared, options=options, executor=one)
    assert sum(one.sizes) < 1.05 * (2 * X.nbytes + args[0].nbytes)


def test_a_worker_that_forgot_is_told_again(monkeypatch):
    forgetful = Inline(1)
    submit = forgetful.submit

    def forgets(fn, /, *args):
        if len(forgetful.sizes) == 3:
            tasks._known.clear()
        return submit(fn, *args)

    monkeypatch.setattr(forgetful, "submit", forgets)
    both(forgetful, executed.line_, executed.problems(8), chunk=1)
    assert len(forgetful.sizes) == 9
    for _ in range(tasks.MOST):
        both(forgetful, executed.line_, executed.problems(8))
    assert len(tasks._known) == tasks.MOST


def test_a_function_goes_by_name_and_is_found_on_the_disk():
    given = executed.problems(9)
    both(pool("spawn"), executed.line_, given)
    assert max(pool("spawn").map(executed.found_on_disk, ["line_"] * 4)) > 0


def test_an_edited_module_goes_by_value(monkeypatch):
    """Workers imported it as it is in its file."""
    given = executed.problems(9)
    before = both(pool("spawn"), executed.line, given)
    monkeypatch.setattr(executed, "WEIGHT", 2.0)
    after = both(pool("spawn"), executed.line, given)
    assert after.x.tobytes() != before.x.tobytes()
    renewed = njit(executed.line)
    monkeypatch.setattr(executed, "line_", renewed)
    both(pool("spawn"), renewed, given)
    rule = fastopt.Rule(name="plain", update=executed.sign, coefficients=executed.rate, hyper={"lr": 0.2})
    monkeypatch.setattr(executed, "RULE", rule)
    both(pool("spawn"), executed.curve, given, rule, None)


def test_a_module_that_workers_lack_goes_by_value(monkeypatch):
    nowhere = ModuleType("nowhere")
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)
    text = "def line(x, grad, y, t):\n    return inner(x, grad, y, t)\n"
    for inner, compiled in ((executed.line, lambda f: f), (executed.line_, njit)):
        nowhere.inner = inner
        exec(text, vars(nowhere))
        nowhere.line = compiled(nowhere.line)
        both(pool("spawn"), nowhere.line, executed.problems(9))


def test_a_script_that_workers_have_not_run_goes_by_value(monkeypatch):
    script = {"__name__": "__main__", "line": executed.line_}
    exec(SCRIPT, script)
    for name in ("fun", "other", "RULE"):
        monkeypatch.setattr(sys.modules["__main__"], name, script[name], raising=False)
    both(pool("spawn"), script["fun"], executed.problems(9))
    both(pool("spawn"), executed.curve, executed.problems(9), script["RULE"], None)


SCRIPT = """
import fastopt

def update(p, g, lr):
    return (p - lr * g,)

RULE = fastopt.Rule(name="plain", update=update, coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1})

def fun(x, grad, y, t, again=True):
    return other(x, grad, y, t) if again else line(x, grad, y, t)

def other(x, grad, y, t):
    return fun(x, grad, y, t, False)
"""


def test_where_an_exception_comes_from_is_told():
    def fails(step):
        raise KeyError(step)

    with pytest.raises(KeyError) as caught:
        fastopt.minimize_many(
            executed.line, *executed.problems(4), "adam", "inplace", options={"lr": fails}, executor=Inline(1)
        )
    assert caught.value.args == (0,)
    assert "in fails\n    raise KeyError(step)" in str(caught.value.__cause__)


def test_arrays_arrive_as_they_were():
    a = np.arange(24.0).reshape(2, 3, 4)
    fixed = a.copy()
    fixed.flags.writeable = False
    for each in (a, a.T, fixed, a[:, ::2], a.transpose(1, 2, 0)[::2], np.broadcast_to(a[0], (5, 3, 4))):
        got = functions.unpacked(functions.packed(each))
        np.testing.assert_array_equal(got, each)
        assert numba.typeof(got) == numba.typeof(each)
        assert np.argsort(got.strides).tolist() == np.argsort(each.strides).tolist() or each.strides[0] == 0


@pytest.mark.parametrize("kind", ["threads", "spawn", "loky"])
def test_each_worker_has_its_share_of_the_cores(kind):
    executor, given = pool(kind), executed.problems(8)

    def used(**more):
        args = executed.threads, *given, "adam", "inplace"
        return set(fastopt.minimize_many(*args, executor=executor, options={"maxiter": 0}, **more).fun)

    before = executor.submit(numba.get_num_threads).result()
    assert used() == {min(max(1, CORES // 2), before)}
    assert used(num_workers=1) == {min(CORES, before)}
    assert executor.submit(numba.get_num_threads).result() == before


def test_progress(capsys):
    fastopt.minimize_many(
        executed.line_, *executed.problems(9), "adam", "inplace", executor=pool("threads"), progress=True
    )
    assert "problems 9/9 100%" in capsys.readouterr().out


# ---------------------------------------------------------------- what goes wrong


def refused(error, *words, fun=executed.line_, given=None, **more):
    with pytest.raises(error) as caught:
        fastopt.minimize_many(fun, *(given or executed.problems(8)), "adam", "inplace", **more)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= 300
    assert all(word in text for word in words), text


def test_refused():
    refused(TypeError, "executor must be", "got a list", executor=[])
    refused(ValueError, "num_workers", "without an executor", num_workers=2)
    refused(ValueError, "chunk", "without an executor", chunk=2)
    for name in ("chunk", "num_workers"):
        refused(ValueError, name, "0", executor=executed.Idle(), **{name: 0})
        for bad in (1.5, "2", True):
            refused(TypeError, name, "integer", executor=executed.Idle(), **{name: bad})
    lock = threading.Lock()
    refused(TypeError, "executor", "picklable", fun=lambda x, grad, y, t: lock, executor=Inline(1))
    over = ThreadPoolExecutor(1)
    over.shutdown()
    refused(RuntimeError, "shutdown", executor=over)


def test_nothing_is_sent_of_a_call_that_is_refused():
    unused, (X, (Y,), shared) = Inline(2), executed.problems(8)
    refused(TypeError, "fun must be callable", fun=3, executor=unused)
    refused(TypeError, "must compile", fun=njit(lambda x, grad, y, t: x.nothing), executor=unused)
    apart = X, (np.asfortranarray(Y),), shared
    dense = njit("float64(float64[::1], float64[::1], float64[::1], float64[::1])")(executed.line)
    refused(TypeError, "must compile", fun=dense, given=apart, executor=unused)
    refused(TypeError, "wrong", fun=lambda wrong: 0.0, executor=unused)
    refused(ValueError, "args[0]", given=(X, (Y[1:],), shared), executor=unused)
    refused(ValueError, "lr", executor=unused, options={"lr": -1.0})
    assert not unused.sizes


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_raised_is_that_of_the_call(kind):
    """With the numbers that problems have in all, of the first that raises."""
    X, (Y,), shared = executed.problems(40)
    Y[[11, 29], 0] = 200.0
    text = r"^fun must write grad, in place: grad\[0\] \(and 1 more\) was left as it was in problem 11$"
    for more in ({}, {"executor": pool(kind), "chunk": 3}):
        with pytest.raises(TypeError, match=text):
            fastopt.minimize_many(
                executed.unwritten, X, (Y,), shared, "adam", "inplace", options={"maxiter": 3}, **more
            )


def test_of_several_exceptions_that_of_the_first_problem():
    """Not the one that comes first; and no chunk behind it is sent."""
    X, (Y,), shared = executed.problems(40)
    Y[0, 0], Y[1, 0] = 300.0, 200.0
    with Counted(2) as counted, pytest.raises(TypeError, match=r"in problem 0$"):
        fastopt.minimize_many(executed.unwritten, X, (Y,), shared, "adam", "inplace", executor=counted, chunk=1)
    assert counted.tasks <= 5


class Counted(ThreadPoolExecutor):
    tasks = 0

    def submit(self, fn, /, *args):
        self.tasks += 1
        return super().submit(fn, *args)


def test_an_exception_that_no_pickle_makes_again():
    args = executed.line, *executed.problems(4), "adam", "inplace"
    with pytest.raises(RuntimeError, match=r"^Peculiar: no rate at 4$"):
        fastopt.minimize_many(*args, options={"lr": executed.falls_over}, executor=pool("spawn"))
    with pytest.raises(executed.Peculiar, match=r"^no rate at 4$"):
        fastopt.minimize_many(*args, options={"lr": executed.falls_over}, executor=pool("threads"))


def test_a_worker_that_dies():
    X, (Y,), shared = executed.problems(40)
    Y[20, 0] = 200.0
    before = [a.copy() for a in (X, Y)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as mortal:
        with pytest.raises(BrokenProcessPool):
            fastopt.minimize_many(executed.dies, X, (Y,), shared, "adam", "inplace", executor=mortal)
        with pytest.raises(BrokenProcessPool):
            fastopt.minimize_many(executed.line_, X, (Y,), shared, "adam", "inplace", executor=mortal)
    assert all((a == b).all() for a, b in zip(before, (X, Y)))


@pytest.mark.parametrize("kind", ["counted", "fork"])
def test_maxtime_holds_for_the_whole_call(kind):
    """Workers stop in the midst of the problems that they have, and others are not begun."""
    X, args, shared = executed.problems(40)
    options = {"maxtime": 0.5, "maxiter": 10**9, "gtol": 1e-300, "lr": 1e-9}
    given = executed.slow, X, args, shared, "adam", "inplace"
    executor = Counted(2) if kind == "counted" else pool(kind)
    with pytest.warns(RuntimeWarning, match="40 maxtime"):
        res = fastopt.minimize_many(*given, options=options, executor=executor, chunk=1)
    assert getattr(executor, "tasks", 4) <= 6, "the others are not sent"
    begun = res.nfev > 0
    assert 1 <= begun.sum() <= 8, "those that were on their way"
    assert set(res.status) == {7}
    assert np.isnan(res.fun[~begun]).all()
    assert np.isnan(res.jac[~begun]).all()
    assert np.isfinite(res.fun[begun]).all()
    assert (res.x[~begun] == X[~begun]).all()
    assert (res.nit[begun] > 0).all()


def test_an_interrupt_cancels_what_is_pending(interruptible):
    idle = executed.Idle()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fastopt.minimize_many(executed.line_, *executed.problems(8), "adam", "inplace", executor=idle, num_workers=2)
    timer.join()
    assert len(idle.futures) == 2 * executors.AHEAD
    assert all(future.cancelled() for future in idle.futures)


def test_workers_of_mpi_share_a_machine_with_its_ranks(monkeypatch):
    terms = tasks.Terms(None, 64, None)
    for name in tasks.RANKS_HERE:
        monkeypatch.delenv(name, raising=False)
    assert tasks._beside(terms) == 64
    monkeypatch.setenv(tasks.RANKS_HERE[-1], "4")
    assert tasks._beside(terms) == 4
    assert tasks._beside(tasks.Terms(None, 64, 2)) == 2, "which only ranks of MPI look at"
