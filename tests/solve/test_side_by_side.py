"""Problems side by side: each has the bits that it has alone, and agrees with one at a time to rounding."""

import math

import numba
import numpy as np
import pytest
from numba import njit
from stepping import BY_NAME, ONE_OF_EACH, bits

import fastopt
from fastopt import schedules
from fastopt.kernels import slices

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
ARRAYS = ("x", "jac", "fun", "nit", "nfev", "njev", "status", "success")


@njit
def decay(x, grad, y, weight, t):
    """½·weight·Σ(x₀·exp(−x₁t) − y)²; a weight of NaN makes it NaN."""
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])
        r = x[0] * e - y[j]
        f += 0.5 * weight * r * r
        grad[0] += weight * r * e
        grad[1] -= weight * r * x[0] * t[j] * e
    return f


def bowl(x, grad, centre):
    f = 0.0
    for i in range(x.size):
        r = x[i] - centre[i]
        f += 0.5 * r * r
        grad[i] = r
    return f


bowl_ = njit(bowl)


def fits(k, dtype=np.float64):
    """Fits whose weights, and so whose difficulties, differ; some are not finite."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 2, 6)
    Y = rng.uniform(0.5, 1.5, (k, 1)) * np.exp(-rng.uniform(0.5, 1.5, (k, 1)) * t) + rng.normal(0, 0.02, (k, 6))
    weight = 10.0 ** rng.uniform(-2, 1, k)
    weight[5::11] = np.nan
    return rng.uniform(0.5, 1.5, (k, 2)).astype(dtype), Y.astype(dtype), weight.astype(dtype), t.astype(dtype)


def solve(given, which=slice(None), method="adam", **options):
    X0, Y, weight, t = given
    options = {"lr": 0.05, "maxiter": 300, "gtol": 1e-3} | options
    return fastopt.minimize_many(decay, X0[which], (Y[which], weight[which]), t, method, "inplace", options=options)


def same(a, b, which=slice(None)):
    for name in ARRAYS:
        assert bits(a[name][which]) == bits(b[name]), name


OPTIONS = [
    {}, {"ftol": 1e-6}, {"xtol": 1e-3}, {"best": True, "maxiter": 50, "lr": 0.5}, {"maxfun": 60}, {"maxiter": 0},
    {"lr": schedules.cosine(0.1, 300)}, {"clip_norm": 0.5, "clip_value": 0.2},
    {"maximize": True, "weight_decay": 0.01, "clip_value": 0.5, "maxiter": 5},
    {"x_scale": [1.0, 3.0], "gtol": 0.0, "maxiter": 20}, {"maxtime": 60.0},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options))
def test_in_any_company_and_beside_one_lane(options):
    """In any order, alone, among few and many: the same bits. On one lane: x within 1e-10, and the same statuses."""
    given = fits(43)
    whole = solve(given, **options)
    assert whole.lanes == 8
    order = np.random.default_rng(1).permutation(43)
    for which in (order, [4], [5], order[:9], slice(11, 20)):
        same(whole, solve(given, which, **options), which)
    one = solve(given, lanes=1, **options)
    assert one.lanes == 1
    for name in ("nit", "nfev", "njev", "status"):
        np.testing.assert_array_equal(whole[name], one[name])
    for name in ("x", "fun", "jac"):
        np.testing.assert_allclose(whole[name], one[name], rtol=1e-10, atol=1e-10)
    assert set(whole.status[5::11]) == {3}
    if not options:
        assert len(set(whole.nit)) > 15, "each stops by itself"


def test_any_number_of_threads_and_slices(monkeypatch):
    given = fits(500)
    before, whole = numba.get_num_threads(), solve(given)
    try:
        numba.set_num_threads(1)
        same(whole, solve(given))
    finally:
        numba.set_num_threads(before)
    enter = slices.ticking.__enter__
    monkeypatch.setattr(slices.ticking, "__enter__", lambda self: (enter(self)[0], 0))  # every slice ends at once
    few = solve(given, slice(0, 30), maxiter=40)
    monkeypatch.undo()
    same(solve(given, maxiter=40), few, slice(0, 30))


def test_rows_in_any_order_of_memory():
    X0, Y, weight, t = fits(20)
    whole = solve((X0, Y, weight, t))
    wide = np.repeat(Y, 2, axis=1)[:, ::2]
    for rows in (np.asfortranarray(Y), wide, Y[::-1].copy()[::-1]):
        same(solve((np.asfortranarray(X0), rows, np.repeat(weight, 2)[::2], t)), whole)


@pytest.mark.parametrize("bounds", [((0.0, 1.0), (0.7, None)), ((None, None), (1.0, 1.0))])
def test_bounds(bounds):
    given = fits(20)
    X0, Y, weight, t = given
    found = [
        fastopt.minimize_many(
            decay, X0, (Y, weight), t, "adam", "inplace", bounds=bounds,
            options={"lr": 0.05, "gtol": 1e-4, "maxiter": 500, "lanes": lanes},
        )
        for lanes in (8, 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0].status, found[1].status)
    np.testing.assert_allclose(found[0].x, found[1].x, atol=1e-9)
    assert (found[0].status == 0).sum() > 10


# Those whose updates decide something, and one of each shape.
DECIDING = (
    "adagrad",
    "rmsprop_centered",
    "amsgrad",
    "adamax",
    "radam",
    "lion",
    "madgrad",
    "ftrl",
    "rprop",
    "yogi",
    "adopt",
)


@pytest.mark.parametrize("rule", dict.fromkeys([*ONE_OF_EACH, *DECIDING]))
def test_every_rule(rule):
    """Beside the interpreted loop, whose steps are those of the optimiser."""
    rng = np.random.default_rng(0)
    X0, C = rng.normal(size=(11, 3)), rng.normal(size=(11, 3))
    options = {"maxiter": 12, "gtol": 0.0, "weight_decay": 0.1, "lr": schedules.exponential(0.1, 0.9)}
    lanes, plain = (fastopt.minimize_many(f, X0, C, (), rule, "inplace", options=options) for f in (bowl_, bowl))
    assert (lanes.lanes, plain.lanes) == (1 if BY_NAME[rule].reduces else 8, 1)
    np.testing.assert_allclose(lanes.x, plain.x, rtol=1e-13, atol=1e-13)
    assert (lanes.nit == 12).all()


def test_float32_stays_float32():
    """16 lanes; literals of the function do not make it float64."""
    given = fits(40, np.float32)
    res = solve(given, gtol=1e-2)
    assert (res.lanes, res.x.dtype) == (16, np.float32)
    wide = solve(fits(40), gtol=1e-2)
    finite = res.status == 0
    assert finite.sum() > 30
    np.testing.assert_allclose(res.x[finite], wide.x[finite], atol=2e-2)


def test_another_number_of_lanes():
    """One: each costs a loop to compile."""
    given = fits(21)
    res = solve(given, lanes=2)
    assert res.lanes == 2
    same(solve(given), res)


@pytest.mark.parametrize(("d", "lanes"), [(256, 8), (257, 1)])
def test_many_variables(d, lanes):
    C = np.linspace(-1, 1, 2 * d).reshape(2, d)
    res = fastopt.minimize_many(bowl_, np.zeros((2, d)), C, (), "gd", "inplace", options={"lr": 0.5})
    assert (res.lanes, res.success.all()) == (lanes, True)
    np.testing.assert_allclose(res.x, C, atol=1e-4)


def test_what_raises_for_all_raises_for_each():
    @njit
    def strict(x, grad, c, t):
        if t[0] < 0.0:
            raise ValueError("time must not run back")
        grad[0] = x[0] - c
        return 0.5 * grad[0] * grad[0]

    given = np.zeros((10, 1)), np.arange(10.0)
    options = {"lr": 0.3, "lanes": 8, "maxiter": 500}
    good = fastopt.minimize_many(strict, *given, np.ones(1), "adam", "inplace", options=options)
    assert good.success.all()
    with pytest.warns(RuntimeWarning, match=r"problem 0 \(and 9 more\) raised ValueError: time must not run back"):
        bad = fastopt.minimize_many(strict, *given, -np.ones(1), "adam", "inplace", options=options)
    assert (bad.status == 5).all()


def test_division_by_zero_is_that_of_ieee():
    @njit
    def pole(x, grad, c):
        grad[0] = -1.0 / (c * c)
        return 1.0 / c

    res = fastopt.minimize_many(pole, np.ones((3, 1)), np.array([1.0, 0.0, 2.0]), (), "gd", "inplace")
    assert res.lanes == 8
    assert list(res.status == 3) == [False, True, False]


@njit
def branching(x, grad, c):
    grad[0] = 1.0 if x[0] > c else -1.0
    return abs(x[0] - c)


REFUSED = [
    (branching, np.arange(3.0), "inplace", ["branches", "1.0 if x[0] > c"]),
    (decay.py_func, np.arange(3.0), "inplace", ["Python"]),
    (bowl_, np.ones((3, 1), int), "inplace", ["args[0]", "int64"]),
    (bowl_, np.ones((3, 1), np.float32), "inplace", ["args[0]", "float32"]),
    (njit(lambda x, c: x[0] * c), np.arange(3.0), "2-point", ["2-point"]),
]


@pytest.mark.parametrize(("fun", "rows", "jac", "words"), REFUSED)
def test_what_cannot_be_side_by_side(fun, rows, jac, words):
    """It is refused where lanes are asked for, and else solved one at a time."""
    with pytest.raises(TypeError, match=r"^lanes must be None or 1 here, got 4: [^\n]*$") as caught:
        fastopt.minimize_many(fun, np.ones((3, 1)), rows, (), "gd", jac, options={"lanes": 4})
    assert len(str(caught.value)) <= 300
    assert all(word in str(caught.value) for word in words), caught.value
    if "Python" not in words:
        res = fastopt.minimize_many(fun, np.ones((3, 1)), rows, (), "gd", jac, options={"maxiter": 3})
        assert res.lanes == 1


@pytest.mark.parametrize("bad", [0, 3, 32, True, 8.0, "8"])
def test_lanes_out_of_range(bad):
    with pytest.raises((TypeError, ValueError), match=r"^lanes must be None or one of 1, 2, 4, 8, 16, got "):
        fastopt.minimize_many(bowl_, np.ones((3, 1)), np.ones((3, 1)), (), "gd", "inplace", options={"lanes": bad})


def test_one_problem_has_no_lanes():
    with pytest.raises(ValueError, match=r"^lanes must be left out for one problem, got 8$"):
        fastopt.minimize(bowl_, np.ones(1), (np.ones(1),), "gd", "inplace", options={"lanes": 8})


def test_the_values_of_a_pair_and_of_a_gradient_apart():
    @njit
    def value(x, c):
        return 0.5 * (x[0] - c) * (x[0] - c)

    @njit
    def gradient(x, c):
        g = np.empty_like(x)
        g[0] = x[0] - c
        return g

    @njit
    def pair(x, c):
        return value(x, c), gradient(x, c)

    c = np.linspace(-1, 1, 9)
    for fun, jac in ((value, gradient), (pair, True)):
        res = fastopt.minimize_many(fun, np.zeros((9, 1)), c, (), "adam", jac, options={"lr": 0.1})
        assert res.lanes == 8
        np.testing.assert_allclose(res.x[:, 0], c, atol=1e-4)
        np.testing.assert_allclose(res.fun, 0.0, atol=1e-8)
    assert math.isfinite(res.fun[0])
