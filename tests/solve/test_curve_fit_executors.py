"""curve_fit_many and least_squares_many by the workers of an executor: the same bits and words as without."""

import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from executed import Idle, Inline
from numba import njit
from refusals import refuse

import fastopt

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
T, K = np.linspace(0, 3, 9), 41


@njit(cache=True)
def decay(t, a, b):
    return a * np.exp(-b * t)


@njit(cache=True)
def fragile(t, a, b):
    if a < -1.5:
        raise ValueError("a must be above -1.5")
    if a < 0.0:
        raise ValueError("a must not be negative")
    return a + b * t


@njit(cache=True)
def line(x, r, y, t):
    for j in range(t.size):
        r[j] = x[0] + x[1] * t[j] - y[j]


@njit(cache=True)
def gap(x, r, y):
    r[1 if y[0] < 0.0 else 0] = x[0] - y[0]


def curves():
    """Some with missing points, without enough of them, and with an infinite one."""
    rng = np.random.default_rng(0)
    Y = rng.uniform(1, 3, (K, 1)) * np.exp(-rng.uniform(0.3, 2, (K, 1)) * T) + rng.normal(0, 0.05, (K, T.size))
    Y[::3, 2], Y[7, 1:], Y[23, 0] = np.nan, np.nan, np.inf
    return Y


@pytest.fixture(scope="module")
def spawned():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


def outcome(call, *given, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = call(*given, **options)
    return found, [(each.category, str(each.message), each.filename) for each in said]


def both(executor, call, *given, num_workers=None, chunk=None, **options):
    alone, said = outcome(call, *given, **options)
    found, said_there = outcome(call, *given, executor=executor, num_workers=num_workers, chunk=chunk, **options)
    assert set(found) == set(alone)
    for name in alone:
        if isinstance(alone[name], np.ndarray):
            assert (found[name].dtype, found[name].shape) == (alone[name].dtype, alone[name].shape), name
            assert found[name].tobytes() == alone[name].tobytes(), name
        else:
            assert found[name] == alone[name], name
    assert said_there == said
    assert all(filename == __file__ for *_, filename in said)
    return found, "".join(text for _, text, _ in said)


def as_everywhere(executor):
    Y, sigma = curves(), 0.1 + np.random.default_rng(1).random((K, T.size))
    found, _ = both(executor, fastopt.curve_fit_many, decay, T, Y, [1.5, 1.0], sigma, bounds=([1.2, 0.0], [2.0, 1.5]))
    assert set(found.status) >= {2, 3, 9}
    P0 = np.ones((K, 2))
    P0[[11, 30], 0] = -1.0, -2.0
    found, said = both(executor, fastopt.curve_fit_many, fragile, T, Y, P0)
    assert np.flatnonzero(found.status == 5).tolist() == [11, 30]
    assert said.endswith("The function of problem 11 (and 1 more) raised ValueError: a must not be negative")


def test_processes(spawned):
    as_everywhere(spawned)


def test_threads():
    with ThreadPoolExecutor(2) as executor:
        as_everywhere(executor)


@pytest.mark.parametrize(("num_workers", "chunk"), [(1, 1), (3, None), (None, 7), (2, 100)])
def test_whatever_the_chunks(num_workers, chunk):
    dealt = {"num_workers": num_workers, "chunk": chunk}
    Y = curves()
    both(Inline(2), fastopt.curve_fit_many, decay, np.tile(T, (K, 1)), Y, [1.0, 1.0], loss="huber", **dealt)
    both(Inline(2), fastopt.curve_fit_many, decay, T, Y, starts=3, bounds=([0.5, 0.1], [4.0, 3.0]), **dealt)
    for rows in (Y, np.asfortranarray(Y), np.repeat(Y, 2, axis=1)[:, ::2]):
        for lanes in (1, 8):
            found, _ = both(
                Inline(2), fastopt.least_squares_many, line, np.zeros((K, 2)), (rows,), (T,), lanes=lanes, **dealt
            )
            assert found.lanes == lanes


@pytest.mark.parametrize("maxtime", [0.0, 1e9])
def test_time_that_is_over_at_once_or_never(maxtime):
    found, _ = both(Inline(2), fastopt.curve_fit_many, decay, T, curves(), [1.0, 1.0], maxtime=maxtime)
    assert (found.status == 7).any() == (maxtime == 0.0)
    assert found.status[7] == 9


def test_no_curves_and_one():
    both(Inline(2), fastopt.curve_fit_many, decay, T, curves()[:0], [1.0, 1.0])
    both(Inline(2), fastopt.curve_fit_many, decay, T, curves()[:1], [1.0, 1.0])


def test_what_all_share_does_not_go_with_each_chunk():
    t = np.linspace(0, 3, 5000)
    Y, inline = np.exp(-t) * np.ones((16, 1)), Inline(1)
    fastopt.curve_fit_many(decay, t, Y, [1.0, 2.0], executor=inline, chunk=1)
    assert sum(inline.sizes) < Y.nbytes + 3 * t.nbytes


@pytest.mark.parametrize("executor", [None, Inline(2)], ids=["without", "with"])
def test_progress(capsys, executor):
    fastopt.curve_fit_many(decay, T, curves(), [1.0, 1.0], executor=executor, progress=True)
    assert "problems 41/41 100%" in capsys.readouterr().out


def test_refused():
    Y, idle = curves(), Idle()

    def fit(f=decay, Y=Y, **options):
        return lambda: fastopt.curve_fit_many(f, T, Y, [1.0, 1.0], **options)

    refuse(fit(executor=3), TypeError, "executor must be a concurrent.futures.Executor, got")
    refuse(fit(chunk=2), ValueError, "chunk must be left out without an executor, got")
    refuse(fit(executor=idle, num_workers=0), ValueError, "num_workers")
    refuse(fit(f=decay.py_func, executor=idle), TypeError, "f must be a Numba function")
    refuse(fit(Y=Y[:, :3], executor=idle), ValueError, "xdata must have shape (3,)")
    assert not idle.futures
    rows = np.where(np.arange(20) == 13, -1.0, 1.0)[:, None]
    for more in ({}, {"executor": Inline(2), "chunk": 3}):
        call = lambda more=more: fastopt.least_squares_many(gap, np.zeros((20, 1)), rows, **more)  # noqa: E731
        refuse(call, ValueError, "each once, got a gap or one twice in problem 13")
