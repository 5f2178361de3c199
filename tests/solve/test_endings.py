"""A run that went wrong does not look like one that went right: its status, its message, and what it counts."""

import time
import warnings

import numpy as np
import pytest
from numba import njit

import fastopt

# ---------------------------------------------------------------- divergence, over functions that people ran off on


def dose(x, t, y):
    """A dose-response curve, ½Σ(f(t) − y)²."""
    f = 0.0
    for j in range(t.size):
        f += 0.5 * (x[0] + (x[1] - x[0]) / (1.0 + np.exp(-x[3] * (t[j] - x[2]))) - y[j]) ** 2
    return f


def garch(x, t, y):
    """The likelihood of GARCH(1, 1) of returns y, which are t times the shocks."""
    w, a, b = np.exp(x[0]), 1.0 / (1.0 + np.exp(-x[1])), 1.0 / (1.0 + np.exp(-x[2]))
    v = y.var()
    f = 0.0
    for j in range(y.size):
        f += 0.5 * (np.log(v) + y[j] * y[j] / v)
        v = w + a * y[j] * y[j] + b * v
    return f


DOSE, GARCH = njit(error_model="numpy")(dose), njit(error_model="numpy")(garch)


def curve(k):
    rng, t = np.random.default_rng(k), np.linspace(-3, 3, 20)
    low, high, middle, slope = rng.uniform((0, 0.7, -1.5, 0.5), (0.3, 1.3, 1.5, 3.0))
    return t, low + (high - low) / (1 + np.exp(-slope * (t - middle))) + 0.02 * rng.standard_normal(20)


def returns():
    rng, v, y = np.random.default_rng(1), 1.0, np.empty(400)
    for j in range(y.size):
        y[j] = np.sqrt(v) * rng.standard_normal()
        v = 0.1 + 0.1 * y[j] ** 2 + 0.8 * v
    return y, y


CASES = [(DOSE, [0.0, 1.0, 0.0, 1.0], curve(k)) for k in range(4)] + [(GARCH, [-2.0, 0.0, 0.0], returns())]


def test_what_ran_off_is_no_success_and_a_minimum_is_one():
    """A small version of the study of solve/diverged.py: three rules, lr over five decades."""
    wrong, counts = [], {"minima": 0, "diverged": 0}
    for k, (fun, x0, args) in enumerate(CASES):
        runs = [
            (rule, lr, fastopt.minimize(fun, x0, args, rule, "3-point", options={"lr": lr, "maxiter": 3000}))
            for rule in ("gd", "momentum", "adam")
            for lr in (1e-3, 1e-2, 1e-1, 1.0, 10.0)
        ]
        least = min(res.fun for *_, res in runs)
        for rule, lr, res in runs:
            is_minimum = res.fun <= least + 0.01 * abs(least)
            if res.status in (0, 8) and is_minimum != res.success:
                wrong.append((k, rule, lr, res.fun, res.message))
            counts["minima"] += res.success
            counts["diverged"] += res.status == 8
    assert not wrong
    assert counts["minima"] > 15
    assert counts["diverged"] > 5


@pytest.mark.parametrize("up", [1.0, -1.0], ids=["minimize", "maximize"])
def test_a_wrong_sign_runs_uphill(up):
    def fun(x, grad):
        grad[:] = -2 * up * x
        return up * x @ x

    res = fastopt.minimize(fun, [1.0, 2.0], (), "adam", "inplace", options={"maxiter": 50, "maximize": up < 0})
    assert (res.status, res.success) == (8, False)
    where = "above" if up > 0 else "below"
    assert res.message == (
        f"The value ended {where} where it began: try a smaller lr, or check the sign of the gradient."
    )


@pytest.mark.parametrize("up", [1.0, -1.0], ids=["minimize", "maximize"])
@pytest.mark.parametrize("ftol", [0.0, 1e-30])
def test_a_plain_below_the_start(up, ftol):
    def fun(x, grad):
        e = np.exp(-x[0])
        grad[0] = -up * e
        return up * e

    given = (fun, [0.0], (), "gd", "inplace")
    options = {"lr": 1e4, "maximize": up < 0, "ftol": ftol}
    res = fastopt.minimize(*given, options=options)
    assert res.status == 8
    assert res.message.startswith("The gradient vanished where x ran off to and fun is flat: try a smaller lr, or ")
    assert fastopt.minimize(*given, bounds=[(0, 30)], options=options).success, "it is held by a bound"
    far = fastopt.minimize(lambda x: (x @ x - 2e3 * x[0], 2 * x - 2e3), [0.0], (), "gd", True, options={"lr": 0.4})
    assert far.success, "1000 is far, but a minimum"


def test_weight_decay_may_end_above_the_start():
    def fun(x):
        return float((x - 1.0) @ (x - 1.0)), 2.0 * (x - 1.0)

    decayed = {"weight_decay": 0.5, "lr": 0.01, "gtol": 0.0, "xtol": 1e-9}
    assert fastopt.minimize(fun, [1.0], (), "gd", True, options=decayed).success


def test_the_best_iterate_of_a_run_that_diverged():
    def fun(x):
        return float(x @ x), -2 * x

    res = fastopt.minimize(fun, [1.0], (), "gd", True, options={"best": True, "maxiter": 5})
    assert (res.status, res.x[0], res.fun) == (8, 1.0, 1.0)


# ---------------------------------------------------------------- maxiter


def square(x):
    return float(x @ x), 2 * x


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr": 0.001}, "and the value was still falling: raise lr (0.001) or maxiter."),
        ({"lr": fastopt.schedules.cosine(0.001, 100)}, "and the value was still falling: raise lr or maxiter."),
        ({"lr": 0.5, "betas": (0.0, 0.0), "maxiter": 100}, "maxiter iterations are done."),
    ],
)
def test_still_falling_at_maxiter(options, words):
    """The last goes to and fro around the minimum, where a larger lr would not help."""
    res = fastopt.minimize(square, [5.2], (), "adam", True, options={"maxiter": 20} | options)
    assert res.status == 1
    assert res.message.endswith(words)


def rough(x):
    """A function whose values are large, so that differences of it are rough."""
    return 1e6 + float(x @ x)


@pytest.mark.parametrize(("lr", "status"), [(0.1, 0), (0.9999, 1)])
def test_gtol_below_the_noise_of_differences(lr, status):
    """Differences of it are 0 at 0.003 from the minimum, which is as near as they get."""
    options, calls = {"lr": lr, "maxiter": 50}, []

    def counted(x):
        calls.append(x)
        return rough(x)

    res = fastopt.minimize(counted, [1.0, 2.0], (), "gd", "2-point", options=options)
    assert (res.status, res.nfev) == (status, len(calls))
    assert res.message.endswith(
        " But gtol is below the noise of 2-point differences, about 3e-02: raise it, or take '3-point'."
    )
    quiet = fastopt.minimize(lambda x: float(x @ x), [1.0, 2.0], (), "gd", "2-point", options=options)
    assert "noise" not in quiet.message
    many = fastopt.minimize_many(rough, np.ones((2, 2)), (), (), "gd", "2-point", options={"lr": 0.1})
    assert many.message.endswith("gtol is below the noise of the differences in 2: raise it, or give the gradient.")


def test_the_noise_of_a_long_sum_is_measured():
    """Its terms cancel, so that its value does not show how rough it is."""
    terms = np.random.default_rng(0).normal(size=1000) * 1e6

    def fun(x):
        total = 0.0
        for term in terms:
            total += term * x[0]
        for term in terms:
            total -= term * x[0]
        return total + float((x[0] - 1.0) ** 2)

    res = fastopt.minimize(fun, [2.0], (), "gd", options={"lr": 0.1, "maxiter": 100})
    assert res.status == 1
    assert "gtol is below the noise of 3-point differences" in res.message


def test_differences_by_default_are_central():
    a, b = (fastopt.minimize(rough, [1.0, 2.0], (), "gd", jac, options={"maxiter": 9}) for jac in (None, "3-point"))
    assert (a.nfev, a.x.tolist()) == (b.nfev, b.x.tolist())


# ---------------------------------------------------------------- not finite


def only_at_the_start(x, grad):
    grad[:] = 1.0
    return 1.0 if x[0] == 1.0 else np.nan


@pytest.mark.parametrize("ftol", [0.0, 1e-9])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_function_that_is_nan_everywhere_but_at_x0(ftol, compiled):
    """Without ftol the value is looked at at the end only, and the message says that it is not finite there."""
    fun = njit(only_at_the_start) if compiled else only_at_the_start
    res = fastopt.minimize(fun, [1.0], (), "gd", "inplace", options={"maxiter": 5, "ftol": ftol})
    assert (res.status, res.success) == (3, False)
    if ftol:
        assert (res.x[0], res.fun) == (1.0, 1.0)
        assert "x is the last one known to be finite" in res.message
    else:
        assert res.message == "The value at x is not finite."
        assert np.isnan(res.fun)


def test_nothing_finite_at_x0():
    res = fastopt.minimize(lambda x: (np.nan, x * np.inf), [1.0], (), "gd", True)
    assert res.message == "The value and the gradient at x are not finite."


# ---------------------------------------------------------------- many problems


def counted(x, grad, centre, calls):
    calls[0] += 1
    grad[0] = 2.0 * (x[0] - centre)
    return (x[0] - centre) * (x[0] - centre)


COUNTED, EXP = njit(counted), njit(error_model="numpy")(lambda x, up: up * np.exp(-x[0]))
each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])


def many(centres, compiled=True, **options):
    calls = np.zeros((len(centres), 1), np.int64)
    fun = COUNTED if compiled else counted
    res = fastopt.minimize_many(
        fun, np.ones((len(centres), 1)), (np.array(centres), calls), (), "gd", "inplace", options={"lr": 0.25} | options
    )
    np.testing.assert_array_equal(res.nfev, calls[:, 0])
    return res


@each_path
@pytest.mark.parametrize("options", [{}, {"ftol": 1e-30}, {"best": True}, {"maxiter": 3}], ids=str)
def test_evaluations_are_counted_for_each_problem(options, compiled):
    """Also where one is not finite, after which not all are evaluated again."""
    with pytest.warns(RuntimeWarning, match="3 not finite|1 not finite"):
        res = many([0.0, np.nan, 1.0], compiled, **options)
    assert res.status[1] == 3


@each_path
def test_problems_that_time_did_not_reach(compiled):
    with pytest.warns(RuntimeWarning, match=r"^0 of 2 problems succeeded: 2 maxtime\.$") as warned:
        res = many([0.0, 3.0], compiled, maxtime=0)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert np.isnan(res.fun).all()
    assert np.isnan(res.jac).all()
    assert res.nfev.tolist() == res.njev.tolist() == [0, 0]
    assert res.status.tolist() == [7, 7]
    assert res.x.tolist() == [[1.0], [1.0]]


@each_path
def test_how_many_ended_how(compiled):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert many([0.0, 3.0], compiled).message == "2 of 2 problems succeeded: 2 gtol."
        many([0.0, 3.0], compiled, gtol=0.0, maxiter=3)  # every test is off
    with pytest.warns(RuntimeWarning, match="At maxiter most were still falling: raise lr") as warned:
        res = many([1.0, 3.0, 4.0], compiled, lr=0.01, maxiter=3)
    assert str(warned[0].message) == res.message
    assert res.message.startswith("1 of 3 problems succeeded: 2 maxiter, 1 gtol.")


@pytest.mark.parametrize("options", [{}, {"best": True}], ids=str)
@each_path
def test_divergence_of_each_problem(options, compiled):
    fun = EXP if compiled else EXP.py_func
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Diverged: try a smaller lr, or check the sign"):
        res = fastopt.minimize_many(fun, np.zeros((3, 1)), (np.array([1.0, 1e-3, 0.0]),), (), "gd", "3-point",
                                    options={"lr": 1e4, "maxiter": 5} | options)  # fmt: skip
    assert res.status[[0, 2]].tolist() == [8, 0]
    alone = [fastopt.minimize(fun, [0.0], (up,), "gd", "3-point", options={"lr": 1e4, "maxiter": 5} | options)
             for up in (1.0, 1e-3, 0.0)]  # fmt: skip
    assert res.status.tolist() == [a.status for a in alone]
    assert res.nfev.tolist() == [a.nfev for a in alone]


def test_a_limit_of_time_changes_nothing_else():
    """Also where the value is not finite on the way; it is known at the end all the same."""
    calls = []

    def fun(x, grad):
        calls.append(1)
        grad[:] = 2.0 * x
        return x @ x if abs(x[0]) < 0.5 else np.nan

    def run(**more):
        calls.clear()
        res = fastopt.minimize(fun, np.ones(1), (), method="gd", jac="inplace", options={"lr": 0.25} | more)
        assert res.nfev == len(calls)
        return res

    free, limited = run(), run(maxtime=99)
    assert free.status == limited.status == 0
    assert (free.nit, free.fun, free.nfev) == (limited.nit, limited.fun, limited.nfev)


def slow(seconds):
    """A straight line whose evaluations take so long, and their list."""
    calls = []

    def fun(x, grad):
        calls.append(1)
        time.sleep(seconds)
        grad[:] = 1.0
        return x[0]

    return fun, calls


def test_of_many_problems_none_is_evaluated_once_more_where_time_is_over():
    fun, calls = slow(0.02)
    with pytest.warns(RuntimeWarning, match="0 of 20 problems succeeded"):
        res = fastopt.minimize_many(fun, np.zeros((20, 1)), method="gd", jac="inplace", options={"maxtime": 0.1})
    assert set(res.status) == {7}
    assert res.nfev.sum() == len(calls) < 20


def test_one_evaluation_more_where_time_is_over():
    fun, calls = slow(0.05)
    res = fastopt.minimize(fun, [0.0], (), "gd", "inplace", options={"lr": 0.25, "maxtime": 0.0})
    assert res.status == 7
    assert res.fun == res.x[0]
    assert res.nfev == len(calls) == res.nit + 2


@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
def test_what_a_problem_that_raised_leaves_does_not_depend_on_the_others():
    def fun(x, grad):
        grad[0] = -x[0]
        if x[0] > 1.5:
            raise ValueError("far away")
        grad[1] = x[1]
        return -x[0]

    def run(X0):
        return fastopt.minimize_many(fun, X0, method="gd", jac="inplace", options={"lr": 1.0, "best": True})

    X0 = np.array([[1.0, 3.0], [1.25, 2.0]])
    among, alone = run(X0), run(X0[1:])
    assert among.status.tolist() == [5, 5]
    assert among.jac[1].tolist() == alone.jac[0].tolist()
    assert among.x[1].tolist() == alone.x[0].tolist()
