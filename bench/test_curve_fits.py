"""5 000 dose-response curves beside a loop of SciPy's curve_fit and JAX's vmap; a million decays."""

import numpy as np
import pytest
import scipy.optimize
from conftest import Contestant
from numba import njit

import fastopt

K, POINTS = 5_000, 20
LARGE, POINTS_OF_LARGE = 10**6, 32
ROUNDS, ROUNDS_OF_LARGE = 12, 6
FTOL = 1e-8  # the default of fastopt, of SciPy's curve_fit about the same


@njit
def logistic(t, low, high, slope, middle):
    return low + (high - low) / (1 + np.exp(-slope * (t - middle)))


@njit
def decay(t, a, b):
    return a * np.exp(-b * t)


def dose_responses():
    """Each fit begins with the least and the largest of its points."""
    rng = np.random.default_rng(1)
    t = np.linspace(-3, 3, POINTS)
    true = rng.uniform([0, 1.5, 1, -1], [0.5, 3, 3, 1], (K, 4))
    Y = logistic.py_func(t, *true.T[:, :, None]) + 0.05 * rng.standard_normal((K, POINTS))
    return t, Y, np.stack([Y.min(axis=1), Y.max(axis=1), np.ones(K), np.zeros(K)], axis=1)


def decays():
    rng = np.random.default_rng(2)
    t = np.linspace(0, 4, POINTS_OF_LARGE, dtype=np.float32)
    true = rng.uniform([1, 0.3], [3, 2], (LARGE, 2)).astype(np.float32)
    Y = rng.standard_normal((LARGE, POINTS_OF_LARGE), dtype=np.float32)
    Y *= np.float32(0.05)
    Y += decay.py_func(t, *true.T[:, :, None])
    return t, Y, np.ones((LARGE, 2), np.float32)


def sums(model, t, Y, X):
    """Of the squares: who stopped too early or in another minimum has a larger one."""
    t, Y, X = (a.astype(np.float64) for a in (t, Y, X))
    return np.sum((model.py_func(t, *X.T[:, :, None]) - Y) ** 2, axis=1)


def fastopts(model, t, Y, P0):
    last = {}

    def step():
        last["res"] = fastopt.curve_fit_many(model, t, Y, P0)

    return step, lambda: last["res"].x


def scipys(model, t, Y, P0):
    """One after another, of a NumPy function, and with its covariance, which curve_fit always computes."""
    last = {}

    def step():
        last["x"] = np.array([scipy.optimize.curve_fit(model.py_func, t, y, p0)[0] for y, p0 in zip(Y, P0)])

    return step, lambda: last["x"]


def jaxs(peers, fit, t, Y, P0):
    """Without standard errors."""
    run, last = peers.jax.jit(fit), {}

    def step():
        last["x"] = run(P0, Y, t)[0].block_until_ready()

    return step, lambda: np.asarray(last["x"])


@pytest.fixture
def jax_fits():
    """The module with Levenberg-Marquardt in JAX; None where that is not installed."""
    try:
        import jax_fits
    except ImportError:
        return None
    return jax_fits


def test_dose_response(race, figure, jax_fits):
    t, Y, P0 = dose_responses()
    ways = {"fastopt": fastopts(logistic, t, Y, P0), "SciPy curve_fit": scipys(logistic, t, Y, P0)}
    if jax_fits:
        ways["JAX vmap"] = jaxs(jax_fits, jax_fits.plain(jax_fits.logistic, FTOL), t, Y, P0)
        ways["JAX tuned"] = jaxs(jax_fits, jax_fits.tuned(jax_fits.logistic, FTOL), t, Y, P0)
    ways["SciPy curve_fit"][0]()
    expected = sums(logistic, t, Y, ways["SciPy curve_fit"][1]())
    contestants = {
        name: Contestant(step, lambda last=last: sums(logistic, t, Y, last()), expected)
        for name, (step, last) in ways.items()
    }
    seconds = race(contestants, 1, 1e-6, rounds=ROUNDS)
    if seconds is None:
        return
    figure(f"{K} dose-response curves of {POINTS} points", seconds["fastopt"] * 1e3, "ms")
    figure("  SciPy curve_fit over fastopt", seconds["SciPy curve_fit"] / seconds["fastopt"], "×", least=300)
    if jax_fits:
        figure("  JAX vmap over fastopt", seconds["JAX vmap"] / seconds["fastopt"], "×", least=12)
        figure("  JAX tuned over fastopt", seconds["JAX tuned"] / seconds["fastopt"], "×")
        figure("  Levenberg-Marquardt in JAX by vmap", seconds["JAX vmap"] * 1e3, "ms")


def test_a_million_decays(race, figure):
    t, Y, P0 = decays()
    few = slice(0, LARGE, LARGE // 200)
    step, last = fastopts(decay, t, Y, P0)
    theirs = scipys(decay, t.astype(np.float64), Y[few], P0[few])
    theirs[0]()
    expected = sums(decay, t, Y[few], theirs[1]())
    ours = Contestant(step, lambda: sums(decay, t, Y[few], last()[few]), expected)
    seconds = race({"fastopt": ours}, 1, 1e-5, rounds=ROUNDS_OF_LARGE)
    if seconds is not None:
        figure(f"{LARGE} decays of {POINTS_OF_LARGE} points, float32", seconds["fastopt"], "s", most=1.5)
