"""curve_fit_many: each curve as SciPy's curve_fit fits it, in any company, and what is said of those that fail."""

import numba
import numpy as np
import pytest
import scipy.optimize
from numba import njit
from stepping import bits

import fastopt
from fastopt.kernels.many import launcher
from fastopt.solve import squares

ARRAYS = ("x", "cost", "cov", "stderr", "rank", "status", "nit", "nfev")
T = np.linspace(0, 3, 12)
quiet = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")


@njit
def decay(t, a, b):
    """Infinite slopes where t is infinite."""
    return a * np.exp(-b * t)


@njit
def plane(t, a, b):
    return a * t[0] + b * t[1]


@njit
def broken(t, a, b):
    if a < 0:
        raise ValueError("a must not be negative")
    return a + b * t


@njit
def twice(t, a, b, c):
    """b and c are known only as a product."""
    return a + b * c * t


def curves(k=37, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 3, (k, 1)), rng.uniform(0.3, 2, (k, 1))
    return (a * np.exp(-b * T) + rng.normal(0, 0.05, (k, T.size))).astype(dtype)


START = np.ones(2)


def one_by_one(f, xdata, Y, P0, sigma=None, **options):
    """x, cov and cost of SciPy's, of each curve."""
    found = []
    for i, y in enumerate(Y):
        s = sigma if sigma is None or sigma.ndim == 1 else sigma[i]
        x, cov, info, *_ = scipy.optimize.curve_fit(f.py_func, xdata, y, P0, s, full_output=True, **options)
        found.append((x, cov, 0.5 * (info["fvec"] ** 2).sum()))
    return [np.array(each) for each in zip(*found)]


SIGMAS = {"none": None, "all": 0.1 + T, "each": 0.05 + np.abs(curves(seed=3))}


@pytest.mark.parametrize("sigma", SIGMAS.values(), ids=SIGMAS)
@pytest.mark.parametrize("absolute", [False, True])
def test_as_scipys(sigma, absolute):
    Y = curves()
    found = fastopt.curve_fit_many(decay, T, Y, START, sigma, absolute, ftol=1e-12, xtol=1e-12)
    x, cov, cost = one_by_one(decay, T, Y, START, sigma, absolute_sigma=absolute, ftol=1e-12, xtol=1e-12)
    np.testing.assert_allclose(found.x, x, rtol=1e-5)
    np.testing.assert_allclose(found.cost, cost, rtol=1e-9)
    np.testing.assert_allclose(found.cov, cov, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found.stderr, np.sqrt(np.diagonal(cov, axis1=1, axis2=2)), rtol=1e-4)
    assert found.success.all()
    assert (found.rank == 2).all()
    assert found.lanes == 8
    assert found.message.startswith("37 of 37 problems succeeded: ")


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy"])
def test_robust_losses_as_scipys(loss):
    Y = curves(seed=1)
    Y[:, ::5] += 0.3
    found = fastopt.curve_fit_many(decay, T, Y, START, loss=loss, f_scale=0.1, ftol=1e-13, xtol=1e-13)
    for i, y in enumerate(Y):
        options = {"loss": loss, "f_scale": 0.1, "method": "trf", "ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}
        x, cov = scipy.optimize.curve_fit(decay.py_func, T, y, found.x[i] + 1e-3, jac="3-point", **options)
        fit = scipy.optimize.least_squares(lambda p, y=y: decay.py_func(T, *p) - y, x, "3-point", **options)
        np.testing.assert_allclose(found.x[i], x, rtol=1e-5)  # there may be other minima
        np.testing.assert_allclose(found.cost[i], fit.cost, rtol=1e-9)
        np.testing.assert_allclose(found.cov[i], cov, rtol=1e-3)


def test_bounds_as_scipys():
    Y, bounds = curves(), ([1.2, 0.0], [2.0, 1.5])
    found = fastopt.curve_fit_many(decay, T, Y, [1.5, 1.0], bounds=bounds)
    for i, y in enumerate(Y):
        one = scipy.optimize.least_squares(
            lambda p, y=y: decay.py_func(T, *p) - y, [1.5, 1.0], bounds=bounds, ftol=1e-12, xtol=1e-12, gtol=1e-12
        )
        np.testing.assert_allclose(found.cost[i], one.cost, rtol=1e-8)
        np.testing.assert_allclose(found.x[i], one.x, atol=1e-4)
    assert ((found.x >= bounds[0]) & (found.x <= bounds[1])).all()
    assert 0.2 < (found.x == bounds[1]).any(axis=1).mean() < 0.8


@pytest.mark.parametrize(
    "bounds", [scipy.optimize.Bounds(0, 1.4), np.array([[0.0, 0.0], [1.4, 1.4]])], ids=["SciPy", "array"]
)
def test_bounds_in_other_forms(bounds):
    Y = curves()
    agree(*(fastopt.curve_fit_many(decay, T, Y, START, bounds=given) for given in (bounds, (0.0, 1.4))))


def test_bounds_of_each_curve():
    Y = curves()
    free = fastopt.curve_fit_many(decay, T, Y, START)
    low = np.where(np.arange(37)[:, None] % 2, -np.inf, free.x - 1e-3)
    found = fastopt.curve_fit_many(decay, T, Y, free.x, bounds=(low, np.inf))
    np.testing.assert_allclose(found.cost, free.cost, rtol=1e-8)


# --- in any company --------------------------------------------------------------------------------------------------


def agree(whole, part, which=slice(None)):
    for name in ARRAYS:
        assert bits(np.ascontiguousarray(whole[name][which])) == bits(part[name]), name


@pytest.mark.parametrize("which", [np.random.default_rng(1).permutation(37), [5], slice(11, 20)], ids=str)
def test_a_curve_knows_no_other(which):
    Y = curves()
    agree(fastopt.curve_fit_many(decay, T, Y, START), fastopt.curve_fit_many(decay, T, Y[which], START), which)


def test_threads_change_nothing():
    Y = curves(100)
    whole, before = fastopt.curve_fit_many(decay, T, Y, START), numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        agree(whole, fastopt.curve_fit_many(decay, T, Y, START))
    finally:
        numba.set_num_threads(before)


def test_as_many_threads_as_have_curves(monkeypatch):
    """Those without one would be waited for."""
    launched = []
    monkeypatch.setattr(squares, "launcher", lambda: lambda *job: launched.append(job[-1]) or launcher()(*job))
    fastopt.curve_fit_many(decay, T, curves(16), START)
    assert launched == []
    fastopt.curve_fit_many(decay, T, curves(17), START)
    assert launched == [2] or numba.get_num_threads() == 1


@pytest.mark.parametrize("options", [{}, {"loss": "cauchy", "f_scale": 0.1}], ids=["linear", "cauchy"])
def test_interrupted_after_each_evaluation(monkeypatch, options):
    """Which changes no bit, and no count."""
    Y, far, runs = curves(), 10 ** np.random.default_rng(5).uniform(-1, 1, (37, 2)), []
    whole = fastopt.curve_fit_many(decay, T, Y, far, **options)
    ticking, run = squares.ticking, squares._Run.slice

    class Over(ticking):
        def __enter__(self):
            return super().__enter__()[0], -1

    monkeypatch.setattr(squares, "ticking", Over)
    monkeypatch.setattr(squares._Run, "slice", lambda self: (runs.append(1), run(self)))
    agree(whole, fastopt.curve_fit_many(decay, T, Y, far, **options))
    assert len(runs) > 5


def test_blocks(monkeypatch):
    Y = curves(50)
    high = np.random.default_rng(4).uniform(1.1, 3.0, (50, 2))
    whole = fastopt.curve_fit_many(decay, T, Y, START, bounds=(0.0, high))
    monkeypatch.setattr("fastopt.solve.squares_chunks.BLOCK", 16)
    agree(whole, fastopt.curve_fit_many(decay, T, Y, START, bounds=(0.0, high)))


def test_one_lane_is_the_same_to_rounding():
    Y = curves()
    lanes, one = (fastopt.curve_fit_many(decay, T, Y, START, lanes=n) for n in (None, 1))
    assert (lanes.lanes, one.lanes) == (8, 1)
    for name in ARRAYS:
        np.testing.assert_allclose(lanes[name], one[name], rtol=1e-9, err_msg=name)


def test_float32():
    Y = curves(dtype=np.float32)
    wide, found = (fastopt.curve_fit_many(decay, T, y, [1.0, 1.0]) for y in (Y.astype(float), Y))
    assert found.lanes == 16
    for name in ("x", "cov", "stderr"):
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], wide[name], rtol=1e-3, err_msg=name)
    assert found.success.all()
    fine = fastopt.curve_fit_many(decay, T, Y, [1.0, 1.0], ftol=1e-15, xtol=1e-15, gtol=1e-15)
    assert fine.nfev.mean() < wide.nfev.mean() + 3  # no test is finer than rounding
    assert fastopt.curve_fit_many(decay, T, Y[:1], START).x.dtype == np.float64


# --- points ----------------------------------------------------------------------------------------------------------


def test_missing_points_are_left_out():
    """As if they were not there, whatever f is there."""
    Y, t = curves(), np.append(T, -np.inf)
    Y[::2, 3] = np.nan
    found = fastopt.curve_fit_many(decay, t, np.c_[Y, np.full(37, np.nan)], START)
    agree(found, fastopt.curve_fit_many(decay, np.delete(T, 3), np.delete(Y, 3, axis=1)[::2], START), slice(0, 37, 2))
    agree(found, fastopt.curve_fit_many(decay, T, Y[1::2], START), slice(1, 37, 2))


def test_points_of_each_curve():
    Y = curves()
    of_all, of_each = (fastopt.curve_fit_many(decay, t, Y, START) for t in (T, np.tile(T, (37, 1))))
    agree(of_all, of_each)


def test_several_independent_variables():
    one, other = np.cos(T), np.tile(T, (4, 1))
    Y = np.arange(1, 5)[:, None] * one + 0.5 * other
    found = fastopt.curve_fit_many(plane, (one, other), Y, START)
    np.testing.assert_allclose(found.x, np.c_[np.arange(1.0, 5), np.full(4, 0.5)], rtol=1e-10)


# --- how curves end --------------------------------------------------------------------------------------------------


@quiet
def test_too_few_points():
    Y = curves(4)
    Y[1, 1:], Y[2, 2:] = np.nan, np.nan
    found = fastopt.curve_fit_many(decay, T, Y, START)
    assert found.status[1] == 9
    assert not found.success[1]
    assert found.nfev[1] == 0
    assert np.isnan(found.cost[1])
    assert found.success[[0, 2, 3]].all()  # as many points as parameters: a fit without a variance
    assert np.isnan(found.cov[[1, 2]]).all()
    assert np.isfinite(fastopt.curve_fit_many(decay, T, Y, START, absolute_sigma=True).cov[2]).all()
    assert "1 fewer points than parameters" in found.message


@quiet
def test_not_finite_at_the_start():
    Y, P0 = curves(4), np.ones((4, 2))
    Y[1, 0], P0[2, 1] = np.inf, np.nan
    found = fastopt.curve_fit_many(decay, T, Y, P0)
    assert found.status.tolist() == [2, 3, 3, 2]
    assert found.x[1].tolist() == [1.0, 1.0]
    assert np.isnan(found.cov[1:3]).all()


def test_a_trial_that_is_not_finite_is_left():
    """The square of the first one overflows."""
    Y, P0 = np.exp(5 * T)[None], np.array([[1.0, 1.0]])
    slopes = np.stack([np.exp(-T), -T * np.exp(-T)], axis=1)
    trial = P0[0] + np.linalg.lstsq(slopes, Y[0] - np.exp(-T), rcond=None)[0]
    with np.errstate(over="ignore"):
        assert np.isinf((decay.py_func(T, *trial) ** 2).sum())
    np.testing.assert_allclose(fastopt.curve_fit_many(decay, T, Y, P0).x, [[1.0, -5.0]], rtol=1e-6)


@quiet
def test_a_function_that_raises_leaves_the_others():
    Y, P0 = curves(5), np.ones((5, 2))
    P0[3, 0] = -1.0
    with pytest.warns(RuntimeWarning, match=r"of problem 3 raised ValueError: a must not be negative"):
        found = fastopt.curve_fit_many(broken, T, Y, P0)
    assert found.lanes == 1
    assert found.status[3] == 5
    assert found.success[[0, 1, 2, 4]].all()


def test_time_is_over():
    with pytest.warns(RuntimeWarning, match="0 of 37 problems succeeded: 37 maxtime"):
        found = fastopt.curve_fit_many(decay, T, curves(), START, maxtime=0.0)
    assert (found.nfev == 0).all()
    assert np.isnan(found.cost).all()


def test_too_few_steps():
    with pytest.warns(RuntimeWarning, match="37 maxiter"):
        found = fastopt.curve_fit_many(decay, T, curves(), START, maxiter=2)
    assert (found.nit == 2).all()
    assert (found.nfev == 3).all()
    assert np.isfinite(found.cov).all()


def test_what_is_not_determined():
    """A parameter that is keeps its error."""
    Y = 1.0 + T + np.cos(9 * T)
    found = fastopt.curve_fit_many(twice, T, np.stack([Y, 2 * Y]), np.ones(3))
    line = np.polyfit(T, Y, 1, cov="unscaled")[1] * ((np.polyval(np.polyfit(T, Y, 1), T) - Y) ** 2).sum() / (12 - 3)
    assert found.rank.tolist() == [2, 2]
    np.testing.assert_allclose(found.stderr[0, 0], np.sqrt(line[1, 1]), rtol=1e-6)
    assert np.isnan(found.stderr[:, 1:]).all()
    assert np.isnan(found.cov[:, 1:]).all()
    assert np.isnan(found.cov[:, :, 1:]).all()


def test_no_curves():
    found = fastopt.curve_fit_many(decay, T, np.empty((0, 12)), START)
    assert (found.x.shape, found.cov.shape, found.message) == ((0, 2), (0, 2, 2), "0 of 0 problems succeeded.")
