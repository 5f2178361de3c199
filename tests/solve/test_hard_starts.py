"""curve_fit_many from starts far off, at which parameters have little effect or none, and from starts near bounds."""

import numpy as np
import pytest
from numba import njit

import fastopt

T = np.linspace(0, 3, 20)


@njit
def logistic(t, low, high, slope, middle):
    return low + (high - low) / (1 + np.exp(-slope * (t - middle)))


@njit
def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


@njit
def saturation(t, v, k):
    return v * t / (k + t)


def observed(f, ranges, k):
    rng = np.random.default_rng(0)
    true = rng.uniform(*np.transpose(ranges), (k, len(ranges)))
    return np.array([f.py_func(T, *b) for b in true]) + rng.normal(0, 0.02, (k, T.size))


@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
def test_a_step_that_the_radius_kept_short_is_no_end():
    """The middle is beyond the data, where slope and middle change next to nothing: the way begins with tiny steps."""
    Y, rng = observed(logistic, [(0, 0.2), (0.8, 1.2), (2, 6), (0.5, 2.5)], 200), np.random.default_rng(1)
    starts = np.stack([np.zeros(200), np.ones(200), rng.uniform(5, 12, 200), rng.uniform(4, 6, 200)], axis=1)
    found = fastopt.curve_fit_many(logistic, T, Y, starts)
    again = fastopt.curve_fit_many(logistic, T, Y, found.x)
    went_on = found.success & ~(again.cost > found.cost * 0.999)
    assert went_on.mean() < 0.02


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("of_y", "of_t"), [(1e-12, 1), (1e12, 1), (1, 1e-12), (1, 1e12)])
def test_units_of_a_parameter_without_effect_at_the_start(of_y, of_t, dtype):
    """The rate has none while the amplitude is 0."""
    Y, units, start = observed(decay, [(1, 5), (0.3, 3), (-1, 1)], 20), [of_y, 1 / of_t, of_y], np.array([0.0, 1, 0])
    plain = fastopt.curve_fit_many(decay, T, Y, start)
    given = [(a * unit).astype(dtype) for a, unit in ((T, of_t), (Y, of_y), (start, units))]
    found = fastopt.curve_fit_many(decay, *given)
    fine = 1e-9 if dtype == np.float64 else 1e-2
    np.testing.assert_allclose(found.x / units, plain.x, rtol=fine)
    np.testing.assert_allclose(found.stderr / units, plain.stderr, rtol=fine)


def test_a_step_that_bounds_turn_uphill_is_too_long():
    """The way along a valley is cut off at a bound nearby."""
    Y, rng = observed(saturation, [(1, 10), (0.5, 5)], 300), np.random.default_rng(2)
    low, high = rng.uniform((1, 0.5), (4, 2), (300, 2)), rng.uniform((7, 3.5), (10, 5), (300, 2))
    starts = low + rng.choice([0.01, 0.99], (300, 2)) * (high - low)
    found = fastopt.curve_fit_many(saturation, T, Y, starts, bounds=(low, high), loss="cauchy", f_scale=0.02)
    assert found.success.all()
    assert found.nit.max() < 200


@njit
def two_decays(t, a, b, c, d):
    return a * np.exp(-b * t) + c * np.exp(-d * t)


@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
@pytest.mark.parametrize("bounds", [None, (0.0, 1e3)])
def test_where_no_step_goes_down_is_no_success(bounds):
    """With rates 100 times too large the curves vanish but for the first point, and J says nothing of them."""
    t = np.linspace(0, 10, 60)
    rng = np.random.default_rng(5)
    true = rng.uniform([50, 1, 20, 0.1], [100, 2, 50, 0.3], (40, 4))
    Y = two_decays.py_func(t, *true.T[:, :, None]) + rng.normal(0, 0.5, (40, 60))
    far = fastopt.curve_fit_many(two_decays, t, Y, [70.0, 150.0, 30.0, 20.0], bounds=bounds)
    near = fastopt.curve_fit_many(two_decays, t, Y, [70.0, 1.5, 30.0, 0.2], bounds=bounds)
    assert near.success.all()
    assert not (far.success & (far.cost > near.cost * 1.001)).any()
    assert (far.status == 10).any()
    again = fastopt.curve_fit_many(two_decays, t, Y, near.x, bounds=bounds)
    assert again.success.all(), "at a minimum there is none either"
