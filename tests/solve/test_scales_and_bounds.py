"""Steps in x / x_scale, and bounds of many problems: as minimize on each, on every path."""

import numpy as np
import pytest
from numba import njit
from scipy.optimize import Bounds
from stepping import bits

import fastopt


def bowl(x, grad, centre):
    """Σ (xᵢ − cᵢ)²"""
    f = 0.0
    for i in range(x.size):
        r = x[i] - centre[i]
        grad[i] = r + r
        f += r * r
    return f


BOWL = njit(bowl)
X0, CENTRES = np.array([[0.1, 2.0], [3.0, -1.0], [0.5, 0.5]]), np.array([[1.0, -2.0], [0.0, 3.0], [0.3, 0.2]])
each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")


def of(compiled):
    return BOWL if compiled else bowl


@each_path
@pytest.mark.parametrize(
    ("method", "options"), [("adam", {}), ("gd", {"clip_norm": 0.3}), ("adam", {"weight_decay": 0.1})], ids=str
)
def test_a_scale_is_a_change_of_variables(method, options, compiled):
    scale = np.array([8.0, 0.25])

    def in_y(y, grad):
        x = y * scale
        f = bowl(x, grad, CENTRES[0])
        grad *= scale
        return f

    options = {"lr": 1e-2, "maxiter": 30, "gtol": 0.0} | options
    by_hand = fastopt.minimize(in_y, X0[0] / scale, (), method, "inplace", options=options)
    for x_scale in (scale, [8, 0.25], (8.0, 0.25)):
        res = fastopt.minimize(
            of(compiled), X0[0], (CENTRES[0],), method, "inplace", options=options | {"x_scale": x_scale}
        )
        np.testing.assert_allclose(res.x, by_hand.x * scale, rtol=1e-12)
        np.testing.assert_allclose(res.jac, by_hand.jac / scale, rtol=1e-11)
    same = fastopt.minimize(of(compiled), X0[0], (CENTRES[0],), method, "inplace", options=options | {"x_scale": 1.0})
    plain = fastopt.minimize(of(compiled), X0[0], (CENTRES[0],), method, "inplace", options=options)
    np.testing.assert_allclose(same.x, plain.x, rtol=1e-13)


@each_path
def test_tolerances_and_bounds_are_those_of_x(compiled):
    given, scale = (of(compiled), X0[0], (CENTRES[0],), "adam", "inplace"), np.array([10.0, 0.1])
    options = {"lr": 0.02, "x_scale": scale, "gtol": 1e-2}
    res = fastopt.minimize(*given, bounds=[(None, 0.75), (None, None)], options=options)
    assert res.success
    assert res.x[0] == 0.75
    assert abs(res.jac[1]) <= 1e-2
    before = fastopt.minimize(*given, bounds=[(None, 0.75), (None, None)], options=options | {"maxiter": res.nit - 1})
    assert abs(before.jac[1]) > 1e-2
    assert np.array_equal(res.jac, 2 * (res.x - CENTRES[0]))
    scaled = {"x_scale": scale / 3, "gtol": 0.0, "maxiter": 9}
    still = fastopt.minimize(of(compiled), CENTRES[0], (CENTRES[0],), "adam", "inplace", options=scaled)
    assert bits(still.x) == bits(CENTRES[0]), "what does not move stays, to the bit"


BOUNDS = [
    [(0.0, 0.75), (None, 1.0)],
    Bounds([0.0, -np.inf], [0.75, 1.0]),
    Bounds(np.array([[0.0, -1.0]] * 3), np.array([[0.5, 1.0], [0.25, np.inf], [9.0, 0.1]])),
]


@each_path
@pytest.mark.parametrize("x_scale", [None, [2.0, 0.5], np.array([[1.0, 2.0], [3.0, 0.5], [1.0, 1.0]])], ids=range(3))
@pytest.mark.parametrize("bounds", BOUNDS, ids=range(3))
@pytest.mark.parametrize("jac", ["inplace", "3-point"])
def test_each_problem_is_a_minimize(jac, bounds, x_scale, compiled):
    options = {"lr": 0.05, "maxiter": 3000, "x_scale": x_scale}
    fun = of(compiled) if jac == "inplace" else VALUE if compiled else VALUE.py_func
    res = fastopt.minimize_many(fun, X0, (CENTRES,), (), "adam", jac, bounds=bounds, options=options)
    for i in range(3):
        own = bounds
        if isinstance(bounds, Bounds) and np.ndim(bounds.lb) == 2:
            own = Bounds(bounds.lb[i], bounds.ub[i])
        mine = x_scale[i] if np.ndim(x_scale) == 2 else x_scale
        alone = fastopt.minimize(
            fun, X0[i], (CENTRES[i],), "adam", jac, bounds=own, options=options | {"x_scale": mine}
        )
        assert bits(res.x[i], res.jac[i], res.fun[i]) == bits(alone.x, alone.jac, np.float64(alone.fun))
        assert (res.nit[i], res.nfev[i], res.status[i]) == (alone.nit, alone.nfev, alone.status)
    assert res.success.all()


@njit
def VALUE(x, centre):
    f = 0.0
    for i in range(x.size):
        f += (x[i] - centre[i]) * (x[i] - centre[i])
    return f


def test_refusals():
    def no(error, match, **more):
        with pytest.raises(error, match=match) as caught:
            fastopt.minimize_many(bowl, X0, (CENTRES,), (), "adam", "inplace", **more)
        assert len(str(caught.value)) <= 300

    no(ValueError, r"one pair for each of the 2 variables, got 1", bounds=[(0, 1)])
    no(
        ValueError,
        r"bounds must have shape \(3, 2\), got \(4, 2\), \(4, 2\)",
        bounds=Bounds(np.zeros((4, 2)), np.ones((4, 2))),
    )
    no(ValueError, r"low <= high, got \(1.0, 0.0\) for variable 0 of problem 0", bounds=[(1, 0), (0, 1)])
    no(ValueError, r"x_scale must be positive and finite, got -1", options={"x_scale": [1, -1]})
    no(ValueError, r"x_scale must have shape \(3, 2\), got \(5,\)", options={"x_scale": np.ones(5)})
    no(TypeError, r"x_scale must be numbers, got 'a'", options={"x_scale": "a"})
    no(TypeError, r"lr must be one number or a schedule, got a float64 array .* x_scale", options={"lr": np.ones(2)})
