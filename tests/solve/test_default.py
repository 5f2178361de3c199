"""`fastopt.minimize` with no options, on functions that its rule was chosen by, and on others.

It solves the 32 others, of which three (Freudenstein and Roth's, Biggs's, the trigonometric) end in the second minimum
that the paper gives, as descents from its starting points often do. Meyer's gradient does not fall to gtol, for its
rounding errors are larger.
"""

from functools import partial

import numpy as np
import pytest
from more_garbow_hillstrom import PROBLEMS
from numba import njit
from refusals import refuse
from scipy.optimize import least_squares, minimize

import fastopt
from fastopt.problems import CLASSICS

CLOSE = 1e-6  # of f to f*, as a part of max(1, |f*|)

ROUNDED = ("meyer",)


def gap(value, minimum):
    return (value - minimum) / max(1.0, abs(minimum))


@pytest.mark.parametrize("problem", CLASSICS, ids=lambda problem: problem.name)
def test_classic_functions(problem):
    res = fastopt.minimize(njit(problem.fun_and_grad), problem.x0, jac="inplace")
    assert gap(res.fun, problem.f_star) <= CLOSE
    assert res.success or problem.name == "ackley"  # whose gradient does not vanish


@pytest.mark.parametrize("problem", CLASSICS, ids=lambda problem: problem.name)
def test_classic_functions_within_bounds(problem):
    """The same by the other default, of bounds that hold nothing in the end."""
    low, high = np.minimum(problem.x0, problem.x_star) - 1.0, np.maximum(problem.x0, problem.x_star) + 1.0
    bounds = list(zip(low, high))
    res = fastopt.minimize(njit(problem.fun_and_grad), problem.x0, jac="inplace", bounds=bounds)
    assert gap(res.fun, problem.f_star) <= CLOSE


def test_bounds_that_hold_variables():
    problem = fastopt.problems.rosenbrock(4)
    res = fastopt.minimize(njit(problem.fun_and_grad), problem.x0, jac="inplace", bounds=[(-2.0, 0.5)] * 4)
    expected = minimize(problem.fun, problem.x0, jac=problem.jac, bounds=[(-2.0, 0.5)] * 4, tol=1e-12)
    assert res.success
    assert gap(res.fun, expected.fun) <= CLOSE


def test_python_functions():
    problem = fastopt.problems.rosenbrock()
    res = fastopt.minimize(problem.fun, problem.x0)
    assert res.success
    assert gap(res.fun, problem.f_star) <= CLOSE


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_unseen_functions(problem):
    res = fastopt.minimize(problem.compiled(), problem.x0)
    from_each = [gap(res.fun, minimum) for minimum in problem.minima]
    nearest = min(from_each, key=abs)
    assert from_each[0] >= -1e-9, "the paper has no lower minimum"
    assert abs(nearest) <= CLOSE
    assert res.success or problem.name in ROUNDED


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_scipy_finds_the_same_minima(problem):
    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "x_scale": "jac", "max_nfev": 5000}
    with np.errstate(all="ignore"):
        found = least_squares(problem.residuals, problem.x0, "3-point", method="lm", **tight)
    assert min(abs(gap(2 * found.cost, minimum)) for minimum in problem.minima) < 1e-10
    assert 2 * found.cost >= problem.minima[0] * (1 - 1e-9)


def test_options_are_those_of_the_rule():
    def square(x):
        return x @ x, 2 * x

    start, steps = np.array([3.0, -2.0]), {"maxiter": 3}
    none = fastopt.minimize(square, start, jac=True, options=steps)
    same = fastopt.minimize(square, start, method="memoryless_bfgs", jac=True, options=steps)
    other = fastopt.minimize(square, start, jac=True, options=steps | {"lr": 0.1})
    np.testing.assert_array_equal(none.x, same.x)
    assert abs(other.x).max() < abs(none.x).max()


def test_options_are_those_of_the_rule_within_bounds():
    def square(x):
        return x @ x, 2 * x

    start, steps, bounds = np.array([3.0, -2.0]), {"maxiter": 7}, [(-9.0, 9.0)] * 2
    same_steps = steps | {"step_sizes": (1e-14, 1e6)}
    none = fastopt.minimize(square, start, jac=True, bounds=bounds, options=steps)
    same = fastopt.minimize(square, start, method="rprop", jac=True, bounds=bounds, options=same_steps)
    other = fastopt.minimize(square, start, jac=True, bounds=bounds, options=steps | {"lr": 0.1})
    np.testing.assert_array_equal(none.x, same.x)
    assert abs(other.x).max() < abs(none.x).max()
    short = steps | {"step_sizes": (1e-14, 0.01)}
    shorter = fastopt.minimize(square, start, jac=True, bounds=bounds, options=short)
    assert abs(shorter.x - start).max() <= 0.07 + 1e-12  # seven steps


@pytest.mark.parametrize(("option", "rule"), [("betas", "adam"), ("rho", "adadelta"), ("momentum", "sgd")])
def test_options_of_other_rules_say_whose(option, rule):
    for bounds, name in ((None, "memoryless_bfgs"), ([(0, 2)] * 2, "rprop")):
        with_wrong = partial(fastopt.minimize, np.sum, np.ones(2), bounds=bounds, options={option: 0.9})
        refuse(with_wrong, TypeError, name, "method=None", f'method="{rule}"')
    with pytest.raises(TypeError) as unknown:
        fastopt.minimize(np.sum, np.ones(2), options={"speed": 1})
    assert "give method" not in str(unknown.value)


def test_a_run_too_short_is_not_told_to_raise_lr():
    res = fastopt.minimize(lambda x: (x @ x, 2 * x), np.full(2, 1e4), jac=True, options={"maxiter": 3})
    assert "raise maxiter" in res.message
    assert "lr" not in res.message


def test_many_problems_take_it_when_asked():
    fun = njit(fastopt.problems.rosenbrock().fun_and_grad)
    starts = np.array([[-1.2, 1.0], [0.5, 2.0]])
    many = fastopt.minimize_many(
        fun, starts, method=None, jac="inplace", options={"maxiter": 50, "gtol": 0, "lanes": 1}
    )
    for x0, x in zip(starts, many.x):
        one = fastopt.minimize(fun, x0, jac="inplace", options={"maxiter": 50, "gtol": 0})
        np.testing.assert_array_equal(one.x, x)
