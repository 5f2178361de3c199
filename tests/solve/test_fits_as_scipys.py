"""curve_fit_many against SciPy's curve_fit: a thousand random problems of ten shapes, and each of its options."""

import numpy as np
import pytest
import scipy.optimize
from fitted_curves import jacobian
from numba import njit

import fastopt

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning"),  # on SciPy's way
    pytest.mark.filterwarnings("ignore::scipy.optimize.OptimizeWarning"),
]
EACH = 100  # problems of a shape
SAME, SHARE = 1e-8, 0.995
TIGHT = {"ftol": 1e-12, "xtol": 1e-12}


@njit
def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


@njit
def two_decays(t, a, b, c, d):
    return a * np.exp(-b * t) + c * np.exp(-d * t)


@njit
def gaussian(t, a, centre, width, c):
    return a * np.exp(-0.5 * ((t - centre) / width) ** 2) + c


@njit
def lorentzian(t, a, centre, width, c):
    return a / (1 + ((t - centre) / width) ** 2) + c


@njit
def logistic(t, low, high, slope, middle):
    return low + (high - low) / (1 + np.exp(-slope * (t - middle)))


@njit
def michaelis_menten(t, v, k):
    return v * t / (k + t)


@njit
def power(t, a, b, c):
    return a * t**b + c


@njit
def damped_sine(t, a, b, frequency, phase):
    return a * np.exp(-b * t) * np.sin(frequency * t + phase)


@njit
def hill(t, a, k, n):
    return a * t**n / (k**n + t**n)


@njit
def stretched(t, a, scale, exponent):
    return a * np.exp(-((t / scale) ** exponent))


# f, points, the range of the true parameters, how far off by a factor and by a difference each fit begins
SHAPES = {
    decay: (np.linspace(0, 4, 30), [(1, 5), (0.3, 3), (-1, 1)], (5, 5, 1), (0, 0, 2)),
    two_decays: (np.linspace(0, 10, 60), [(1, 3), (1.5, 4), (1, 3), (0.1, 0.4)], (3, 2, 3, 2), (0,) * 4),
    gaussian: (np.linspace(-5, 5, 40), [(1, 5), (-2, 2), (0.6, 1.5), (-1, 1)], (3, 1, 2, 1), (0, 1, 0, 1)),
    lorentzian: (np.linspace(-5, 5, 40), [(1, 5), (-2, 2), (0.6, 1.5), (-1, 1)], (3, 1, 2, 1), (0, 1, 0, 1)),
    logistic: (np.linspace(-3, 3, 20), [(0, 0.5), (1.5, 3), (1, 3), (-1, 1)], (1, 2, 2, 1), (1, 0, 0, 1.5)),
    michaelis_menten: (np.linspace(0.2, 10, 15), [(1, 10), (0.5, 5)], (5, 5), (0, 0)),
    power: (np.linspace(0.2, 4, 25), [(1, 3), (0.4, 2.5), (-1, 1)], (3, 2, 1), (0, 0, 2)),
    damped_sine: (np.linspace(0, 10, 60), [(1, 3), (0.05, 0.4), (1, 4), (-1, 1)], (3, 3, 1, 1), (0, 0, 0.2, 1)),
    hill: (np.linspace(0.2, 10, 25), [(1, 5), (1, 4), (1, 3)], (4, 4, 2), (0, 0, 0)),
    stretched: (np.linspace(0.1, 10, 30), [(1, 5), (1, 4), (0.5, 1.5)], (4, 4, 2), (0, 0, 0)),
}


def problems(f, k=EACH, far=1.0):
    """Points, rows of data with noise of 0.5 to 5 %, and where to start, so far from the true parameters."""
    t, ranges, factors, differences = SHAPES[f]
    rng = np.random.default_rng(0)
    low, high = np.transpose(ranges)
    true = rng.uniform(low, high, (k, low.size))
    exact = np.array([f.py_func(t, *b) for b in true])
    noise = rng.uniform(0.005, 0.05, (k, 1)) * np.ptp(exact, axis=1, keepdims=True)
    factors, differences = np.array(factors) ** rng.uniform(-far, far, true.shape), np.array(differences) * far
    starts = true * factors + differences * rng.uniform(-1, 1, true.shape)
    return t, exact + noise * rng.standard_normal(exact.shape), starts


def scipys(f, t, y, start, **options):
    """``(cost, x, pcov)`` of curve_fit with exact derivatives; an infinite cost where it gives up."""
    lm = not {"bounds", "loss"} & options.keys()
    tight = TIGHT if lm else {**dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15), "x_scale": "jac"}
    try:
        found = scipy.optimize.curve_fit(
            f.py_func, t, y, start, jac=lambda t, *b: jacobian(f, t, b), full_output=True, **tight, **options
        )
    except RuntimeError:
        return np.inf, start, np.full((start.size,) * 2, np.nan)
    return 0.5 * np.sum(found[2]["fvec"] ** 2), found[0], found[1]


def fastopts(f, t, Y, starts, **options):
    return fastopt.curve_fit_many(f, t, Y, starts, **dict.fromkeys(("ftol", "xtol", "gtol"), 1e-13), **options)


def error(found, expected):
    return np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300))


@pytest.fixture(scope="module")
def compared():
    """By shape, fastopt's result and SciPy's costs, parameters and covariances."""
    found = {}
    for f in SHAPES:
        t, Y, starts = problems(f)
        found[f] = fastopts(f, t, Y, starts), [scipys(f, t, y, start) for y, start in zip(Y, starts)]
    return found


def test_a_thousand_random_problems_have_scipys_minima(compared):
    """Or lower ones, and the costs are those of the parameters. The rest is listed."""
    worse, total = [], 0
    for f, (res, theirs) in compared.items():
        t, Y, _ = problems(f)
        np.testing.assert_allclose(
            res.cost, [0.5 * np.sum((f.py_func(t, *x) - y) ** 2) for x, y in zip(res.x, Y)], 1e-9
        )
        for i, (cost, x, _) in enumerate(theirs):
            total += 1
            if not res.cost[i] <= cost * (1 + SAME):
                worse.append(f"{f.__name__} {i}: {res.cost[i]:.9g} at {res.x[i]}, SciPy {cost:.9g} at {x}")
    assert total == 1000
    assert len(worse) <= (1 - SHARE) * total, "\n".join(worse)
    print("\n".join(worse))


def test_their_standard_errors(compared):
    """Where the minimum is the same and determines its parameters."""
    for f, (res, theirs) in compared.items():
        same = 0
        for i, (cost, x, pcov) in enumerate(theirs):
            if abs(res.cost[i] / cost - 1) < SAME and error(res.x[i], x) < 1e-4 and np.isfinite(pcov).all():
                same += 1
                assert error(res.stderr[i], np.sqrt(np.diag(pcov))) < 1e-3, (f.__name__, i)
                np.testing.assert_array_equal(res.stderr[i], np.sqrt(np.diag(res.cov[i])))
                assert res.rank[i] == x.size
        assert same > 0.9 * EACH, f.__name__


def falls(f, t, y, x):
    """Whether a change of one parameter by a thousandth or less lowers the cost by more than a part in 10⁴."""
    changes = [h * np.diag(x) for h in (1e-3, -1e-3, 1e-5, -1e-5)]
    costs = [np.sum((f.py_func(t, *near) - y) ** 2) for near in x + np.concatenate(changes)]
    return np.nanmin(costs) < (1 - 1e-4) * np.sum((f.py_func(t, *x) - y) ** 2)


def test_success_is_of_minima():
    """From starts so far off that many fits lead nowhere; SciPy's claims are in vain as often, in one of a hundred.

    Those end beside parameters where the function is not finite, or so far away that their digits are used up.
    """
    in_vain = []
    for f in SHAPES:
        t, Y, starts = problems(f, far=3.0)
        res = fastopt.curve_fit_many(f, t, Y, starts)
        found = zip(Y[res.success], res.x[res.success], res.status[res.success])
        in_vain += [f"{f.__name__}: status {status} at {x}" for y, x, status in found if falls(f, t, y, x)]
    assert len(in_vain) <= 0.02 * len(SHAPES) * EACH, "\n".join(in_vain)


# ---------------------------------------------------------------- each option, on one shape

K = 24


def agrees(res, theirs, cost=1e-9, x=1e-5, cov=1e-4):
    """Costs, parameters and covariances, up to these relative differences; a few of SciPy's minima may be higher."""
    higher = 0
    for i, (their_cost, their_x, pcov) in enumerate(theirs):
        assert res.cost[i] <= their_cost * (1 + cost), i
        if res.cost[i] < their_cost * (1 - 1e-3):
            higher += 1
            continue
        np.testing.assert_allclose(res.x[i], their_x, x, x)
        scale = np.sqrt(np.diag(pcov))
        np.testing.assert_allclose(res.cov[i] / np.outer(scale, scale), pcov / np.outer(scale, scale), 0, cov)
        np.testing.assert_allclose(res.stderr[i], scale, cov)
    assert res.success.all()
    assert higher <= 2


@pytest.mark.parametrize("absolute_sigma", [False, True])
@pytest.mark.parametrize("each", [False, True], ids=["for all", "for each"])
def test_sigma(each, absolute_sigma):
    t, Y, starts = problems(decay, K, far=0.3)
    sigma = np.random.default_rng(1).uniform(0.02, 0.2, Y.shape if each else t.shape)
    res = fastopts(decay, t, Y, starts, sigma=sigma, absolute_sigma=absolute_sigma)
    rows = np.broadcast_to(sigma, Y.shape)
    options = {"absolute_sigma": absolute_sigma}
    agrees(res, [scipys(decay, t, y, start, sigma=s, **options) for y, start, s in zip(Y, starts, rows)])


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "with sigma"])
def test_missing_points(weighted):
    """Problem i lacks half of i points; what xdata and sigma hold there does not matter."""
    t, Y, starts = problems(decay, K, far=0.3)
    rng = np.random.default_rng(2)
    sigma = rng.uniform(0.02, 0.2, Y.shape) if weighted else None
    xdata = np.tile(t, (K, 1))
    for i in range(K):
        left_out = rng.permutation(t.size)[: i // 2]
        Y[i, left_out] = np.nan
        xdata[i, left_out] = -1e6  # where exp overflows
    res = fastopts(decay, xdata, Y, starts, sigma=sigma)
    theirs = []
    for i in range(K):
        there = np.isfinite(Y[i])
        theirs.append(scipys(decay, t[there], Y[i, there], starts[i], sigma=sigma[i, there] if weighted else None))
    agrees(res, theirs)


@pytest.mark.parametrize("f_scale", [0.3, 1.0])
@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy"])
def test_robust_losses(loss, f_scale):
    """With a few points far off. The cost is least_squares', half the sum of the losses."""
    t, Y, starts = problems(decay, K, far=0.3)
    rng = np.random.default_rng(3)
    Y[rng.random(Y.shape) < 0.1] += 3
    res = fastopts(decay, t, Y, starts, loss=loss, f_scale=f_scale)
    theirs = []
    for y, start in zip(Y, starts):
        _, their_x, pcov = scipys(decay, t, y, start, method="trf", loss=loss, f_scale=f_scale)
        z = ((decay.py_func(t, *their_x) - y) / f_scale) ** 2
        rho = {"soft_l1": 2 * (np.sqrt(1 + z) - 1), "huber": np.where(z <= 1, z, 2 * np.sqrt(z) - 1)}
        theirs.append((0.5 * f_scale**2 * np.sum(rho.get(loss, np.log1p(z))), their_x, pcov))
    agrees(res, theirs)


def test_bounds():
    """Of which some hold the parameters and some do not; none is left by a hair."""
    t, Y, starts = problems(decay, K, far=0.3)
    low, high = np.array([0.0, 0.2, -0.5]), np.array([3.0, np.inf, 0.5])
    starts = np.clip(starts, low + 0.05, np.minimum(high, 1e3) - 0.05)
    res = fastopts(decay, t, Y, starts, bounds=(low, high))
    theirs = [scipys(decay, t, y, start, bounds=(low, high)) for y, start in zip(Y, starts)]
    assert np.all((res.x >= low) & (res.x <= high))
    held = ((res.x == low) | (res.x == high)).any(axis=1)
    assert 3 <= held.sum() <= K - 3
    for i, (cost, x, pcov) in enumerate(theirs):
        assert res.cost[i] <= cost * (1 + 1e-8), i
        np.testing.assert_allclose(res.x[i], x, 1e-4, 1e-4)
        if not held[i]:
            np.testing.assert_allclose(res.stderr[i], np.sqrt(np.diag(pcov)), 1e-4)
    assert res.success.all()


@njit
def plane(t, a, b, c):
    return a + b * t[0] + np.exp(c * t[1])


def test_two_independent_variables():
    rng = np.random.default_rng(4)
    u, v = rng.uniform(-1, 1, (2, 30))
    true = rng.uniform(0.5, 1.5, (K, 3))
    Y = np.array([plane.py_func((u, v), *b) for b in true]) + 0.01 * rng.standard_normal((K, 30))
    starts = np.ones((K, 3))
    res = fastopts(plane, (u, v), Y, starts)
    agrees(res, [scipys(plane, (u, v), y, start) for y, start in zip(Y, starts)])


def test_float32():
    """The minimum of float64 as far as float32 tells it: the cost of its parameters, and the standard errors."""
    t, Y, starts = problems(decay)
    narrow = [a.astype(np.float32) for a in (t, Y, starts)]
    res = fastopt.curve_fit_many(decay, *narrow)
    assert {res.x.dtype, res.cov.dtype, res.stderr.dtype} == {np.dtype(np.float32)}
    worse = 0
    for i in range(EACH):
        cost, _, pcov = scipys(decay, t, Y[i], starts[i])
        x = res.x[i].astype(np.float64)
        if 0.5 * np.sum((decay.py_func(t, *x) - Y[i]) ** 2) > cost * (1 + 1e-5):
            worse += 1
        elif np.isfinite(cost):
            np.testing.assert_allclose(res.stderr[i], np.sqrt(np.diag(pcov)), 1e-2)
    assert worse <= (1 - SHARE) * EACH
