"""Memoryless BFGS on functions, where its oracle says what a step is but not what it is for."""

import numpy as np
import pytest
from numba import njit
from scipy.optimize import minimize

import fastopt
from fastopt.rules.line_search import TRIES

BFGS = fastopt.MemorylessBFGS


def quadratic(d, condition, rotated=True):
    rng = np.random.default_rng(d)
    Q = np.linalg.qr(rng.normal(size=(d, d)))[0] if rotated else np.eye(d)
    return Q @ np.diag(np.geomspace(1, condition, d)) @ Q.T, rng.normal(size=d)


@njit
def half_square(x, grad, A, b):
    grad[:] = A @ x - b
    return 0.5 * x @ (grad - b)


@pytest.mark.parametrize(("d", "condition"), [(2, 100.0), (10, 100.0), (50, 1e3)])
def test_quadratics_take_little_more_than_conjugate_gradients(d, condition):
    A, b = quadratic(d, condition)
    res = fastopt.minimize(half_square, np.zeros(d), (A, b), "memoryless_bfgs", "inplace")
    peer = minimize(lambda x: 0.5 * x @ A @ x - b @ x, np.zeros(d), jac=lambda x: A @ x - b, method="CG")
    assert res.success
    np.testing.assert_allclose(A @ res.x, b, atol=1e-5)
    assert res.nfev <= 2 * peer.nfev + 10  # for the first steps are a thousandth long


def test_it_learns_the_scales_of_variables():
    """Which conjugate gradients of this condition do not."""
    A, b = quadratic(20, 1e10, rotated=False)
    res = fastopt.minimize(half_square, np.zeros(20), (A, b), "memoryless_bfgs", "inplace")
    assert res.success
    assert res.nfev < 1000


@pytest.mark.parametrize("sigma", [0.1, 0.9])
def test_lines_begin_where_the_slope_is_small_and_go_down(sigma):
    problem = fastopt.problems.rosenbrock(4)
    x, before, tries, lines = problem.x0.copy(), np.inf, 0.0, 0
    opt = BFGS(x, sigma=sigma)
    for _ in range(100):
        g, d = problem.jac(x), opt.state["d"].copy()
        opt.step(g)
        if not (opt.state["d"] == d).all():
            lines += 1
            assert opt.state["start"] == pytest.approx(opt.state["d"] @ g, rel=1e-9)
            assert opt.state["start"] < 0
            assert abs(g @ d) <= sigma * abs(before) or tries >= TRIES
        before, tries = float(opt.state["start"]), float(opt.state["tries"])
    assert 20 < lines < 100


def test_steps_grow_threefold_where_nothing_bends():
    x, went = np.zeros(2), []
    opt = BFGS(x, lr=0.1)
    for _ in range(4):
        opt.step(np.array([3.0, 0.0]))
        went.append(-x[0])
    np.testing.assert_allclose(went, [0.1, 0.3, 0.9, 2.7])


def test_a_kink_is_found_and_its_line_left():
    x = np.array([1.0])
    opt = BFGS(x, lr=0.1)
    for _ in range(200):
        opt.step(np.sign(x))
        assert np.isfinite(x).all()
        assert opt.state["tries"] <= TRIES
    assert abs(x[0]) < 1e-4
    assert opt.state["b"] > 0


def test_groups_begin_with_steps_of_their_own():
    x, y = np.ones(1), np.ones(1)
    BFGS([{"params": x, "lr": 0.1}, {"params": y, "lr": 0.2}]).step([np.ones(1), np.ones(1)])
    assert (1 - y[0]) == pytest.approx(2 * (1 - x[0]))


def test_a_gradient_of_zero_moves_nothing_and_ends_nothing():
    x = np.array([1.0, 1.0])
    opt = BFGS(x, lr=0.1)
    opt.step(np.zeros(2))
    np.testing.assert_array_equal(x, 1.0)
    for _ in range(30):
        opt.step(x.copy())
    assert abs(x).max() < 1e-6
