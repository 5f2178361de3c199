"""curve_fit_many from several starts: where they are, which fit is kept, and that no curve knows of others."""

import numpy as np
import pytest
from executed import Inline
from numba import njit
from refusals import refuse
from stepping import bits

import fastopt
from fastopt.kernels.loops.minimize import RUNNING
from fastopt.solve import squares_chunks
from fastopt.solve.squares import unsolved
from fastopt.solve.squares_starts import best, cube, placed

quiet = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
ARRAYS = ("x", "cost", "cov", "stderr", "rank", "status", "nit", "nfev")
T = np.linspace(0, 3, 40)
BOUNDS = [0.0, 0.5], [3.0, 15.0]


@njit(cache=True)
def wave(t, a, w):
    return a * np.sin(w * t)


@njit(cache=True)
def slow_only(t, a, w):
    if w > 4.0:
        raise ValueError("too fast")
    return a * np.sin(w * t)


@njit
def any_number(t, *p):
    return p[0] * t


def waves(k=23):
    """Their angular frequencies, and the curves."""
    rng = np.random.default_rng(0)
    a, w = rng.uniform(0.5, 2, (k, 1)), rng.uniform(1, 12, (k, 1))
    return w[:, 0], a * np.sin(w * T) + rng.normal(0, 0.05, (k, T.size))


def agree(whole, part, which=slice(None)):
    for name in ARRAYS:
        assert bits(np.ascontiguousarray(whole[name][which])) == bits(part[name]), name


def test_many_local_minima():
    w, Y = waves()
    one = fastopt.curve_fit_many(wave, T, Y, [1.0, 3.0], bounds=BOUNDS)
    found = fastopt.curve_fit_many(wave, T, Y, bounds=BOUNDS, starts=16)
    assert (abs(one.x[:, 1] - w) < 0.1).mean() < 0.5
    assert (abs(found.x[:, 1] - w) < 0.1).all()
    assert found.success.all()
    np.testing.assert_allclose(found.x, fastopt.curve_fit_many(wave, T, Y, found.x, bounds=BOUNDS).x, rtol=1e-6)


def test_the_best_of_all_is_kept():
    """As if each start were tried in a call of its own; P0 is the first."""
    _, Y = waves()
    P0 = np.random.default_rng(1).uniform([0.5, 1.0], [2.0, 12.0], (23, 2))
    low, high = (np.tile(side, (23, 1)) for side in BOUNDS)
    for given, points in ((P0, cube(4, 2, 3)), (None, cube(5, 2, 3))):
        found = fastopt.curve_fit_many(wave, T, Y, given, bounds=BOUNDS, starts=5, seed=3)
        tried = [*([] if given is None else [given]), *placed(points, low, high).transpose(1, 0, 2)]
        each = [fastopt.curve_fit_many(wave, T, Y, start, bounds=BOUNDS) for start in tried]
        first = np.argmin([res.cost for res in each], axis=0)
        assert len(set(first)) > 2
        for name in ("x", "cost", "cov", "stderr", "rank", "status"):
            assert bits(found[name]) == bits(np.stack([res[name] for res in each])[first, np.arange(23)]), name
        for name in ("nit", "nfev"):
            assert (found[name] == sum(res[name] for res in each)).all()


def test_one_start_is_none_beside_P0():
    _, Y = waves()
    agree(*(fastopt.curve_fit_many(wave, T, Y, [1.0, 3.0], bounds=BOUNDS, **more) for more in ({}, {"starts": 1})))


def test_a_curve_knows_no_other(monkeypatch):
    _, Y = waves()
    sigma = 0.1 + np.abs(Y)
    whole = fastopt.curve_fit_many(wave, T, Y, None, sigma, bounds=BOUNDS, starts=4)
    which = np.random.default_rng(1).permutation(23)[:9]
    agree(whole, fastopt.curve_fit_many(wave, T, Y[which], None, sigma[which], bounds=BOUNDS, starts=4), which)
    there = {"executor": Inline(2), "chunk": 5}
    agree(whole, fastopt.curve_fit_many(wave, T, Y, None, sigma, bounds=BOUNDS, starts=4, **there))
    sizes, solve = [], squares_chunks.solve
    monkeypatch.setattr(squares_chunks, "BYTES", 30 * 2 * Y[0].nbytes)
    monkeypatch.setattr(squares_chunks, "solve", lambda task, problems, *rest: (
        sizes.append(len(problems.x)), solve(task, problems, *rest))[1])  # fmt: skip
    agree(whole, fastopt.curve_fit_many(wave, T, Y, None, sigma, bounds=BOUNDS, starts=4))
    assert sizes == [28, 28, 28, 8]


def test_starts_are_even_and_within_bounds():
    points = cube(10, 3, 0)
    assert (np.sort(np.floor(points * 10), axis=0) == np.arange(10)[:, None]).all()
    assert not np.array_equal(points, cube(10, 3, 1))
    wide = np.finfo(float).max
    for low, high in ((-wide, wide), (1.0, np.nextafter(1.0, 2.0))):
        at = placed(points, np.full((4, 3), low), np.full((4, 3), high))
        assert at.shape == (4, 10, 3)
        assert ((at >= low) & (at <= high)).all()
    assert fastopt.curve_fit_many(wave, T, waves()[1].astype(np.float32), starts=2, bounds=BOUNDS).x.dtype == np.float32


@quiet
def test_a_start_that_raises_is_not_kept_beside_others():
    """Of fast waves there are none but with slow ones; where all starts raise, that is told."""
    _, Y = waves()
    found = fastopt.curve_fit_many(slow_only, T, Y, [1.0, 5.0], bounds=([0.0, 2.0], [3.0, 15.0]), starts=8)
    assert (found.x[found.success, 1] <= 4.0).all()
    assert found.success.any()
    with pytest.warns(RuntimeWarning, match=r"of problem 0 \(and 22 more\) raised ValueError: too fast"):
        found = fastopt.curve_fit_many(slow_only, T, Y, bounds=([0.0, 5.0], [3.0, 15.0]), starts=3)
    assert (found.status == 5).all()


def test_of_a_start_that_still_runs():
    tried = unsolved(np.arange(6.0)[:, None], np.full(6, 9.0))
    tried.kept[:, 0], tried.cov[:], tried.stderr[:] = [3, 1, 2, np.nan, 5, 4], 1.0, 1.0
    status, nit = squares_chunks.STATUS, 0
    tried.counts[:, status], tried.counts[:, nit] = [2, 1, 0, RUNNING, 2, 1], 7
    kept, begun = best(tried, np.array([1, 1, 1, 0, 1, 1]), 3)
    assert kept.x[:, 0].tolist() == [1.0, 5.0], "of the least cost, also at maxiter"
    assert kept.counts[:, status].tolist() == [1, RUNNING]
    assert kept.counts[:, nit].tolist() == [21, 21]
    assert np.isnan(kept.cov[:, 0, 0]).tolist() == np.isnan(kept.stderr[:, 0]).tolist() == [False, True]
    assert begun.tolist() == [3, 2]


@quiet
def test_time_is_over():
    found = fastopt.curve_fit_many(wave, T, waves()[1], starts=4, bounds=BOUNDS, maxtime=0.0)
    assert (found.status == 7).all()
    assert not found.nfev.any()
    assert np.isfinite(found.x).all()


REFUSED = {
    "neither": (TypeError, {"starts": None}, "P0 must be given, or starts and bounds, got neither"),
    "no bounds": (ValueError, {"bounds": None}, "bounds must be given and finite for starts, got 4 starts and no"),
    "half": (ValueError, {"bounds": (0, [1, np.inf])}, "bounds must be finite for starts, got (0.0, inf) for parame"),
    "none": (ValueError, {"starts": 0}, "starts must be a positive integer, got 0"),
    "a half": (TypeError, {"starts": 1.5}, "starts must be an integer, got 1.5"),
    "seed": (ValueError, {"seed": -1}, "seed must be at least 0, got -1"),
    "no seed": (TypeError, {"seed": None}, "seed must be an integer, got NoneType"),
    "outside": (ValueError, {"P0": [1.0, 20.0]}, "P0 must be within the bounds, got 20.0 for parameter 1"),
    "any number": (TypeError, {"f": any_number}, "P0 must be given, as any_number takes any number of parameters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    error, wrong, words = REFUSED[case]
    given = {"f": wave, "xdata": T, "Y": waves(3)[1], "bounds": BOUNDS, "starts": 4} | wrong
    refuse(lambda: fastopt.curve_fit_many(**given), error, words)
