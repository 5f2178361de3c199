"""What SciPy's users rely on, at both doors: ``fastopt.minimize`` and ``scipy.optimize.minimize(method=...)``."""

import numpy as np
import pytest
import scipy.optimize
from numba import njit
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning
from stepping import bits

import fastopt

# ½xᵀAx − bᵀx, not a number outside low ≤ x ≤ high: who evaluates there does not succeed.
A = np.array([[2.0, 0.6, -0.4], [0.6, 1.0, 0.2], [-0.4, 0.2, 1.5]])
B = np.array([1.0, -2.0, 3.0])
FREE = (np.full(3, -np.inf), np.full(3, np.inf))
BOX = (np.array([-1.0, -0.5, -np.inf]), np.array([0.25, np.inf, 1.5]))
X0 = np.array([0.1, 0.2, 0.3])


def value(x, A, b, low, high):
    f = 0.0
    for i in range(x.size):
        f -= x[i] * b[i]
        for j in range(x.size):
            f += 0.5 * x[i] * A[i, j] * x[j]
        if x[i] < low[i] or x[i] > high[i]:
            f = np.nan
    return f


def gradient(x, A, b, low, high):
    g = -b
    for i in range(x.size):
        for j in range(x.size):
            g[i] += A[i, j] * x[j]
        if x[i] < low[i] or x[i] > high[i]:
            g[i] = np.nan
    return g


def cliff(x, grad, edge, f, g):
    """x with slope 1 down to the edge; below it f, with slope g."""
    grad[:] = g if x[0] < edge else 1.0
    return f if x[0] < edge else x[0]


COMPILED = {f: njit(f) for f in (value, gradient, cliff)}


def here(fun, x0, method="adam", **more):
    return fastopt.minimize(fun, x0, method=method, **more)


def there(fun, x0, method="adam", **more):
    return scipy.optimize.minimize(fun, x0, method=fastopt.method(method), **more)


each_door = pytest.mark.parametrize("door", [here, there])
each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])


def solve(door=here, compiled=True, x0=X0, jac=gradient, where=FREE, **more):
    fun, jac = (COMPILED.get(f, f) if compiled else f for f in (value, jac))
    given = {"lr": 0.05, "maxiter": 3000} | more.pop("options", {})
    return door(fun, x0, args=(A, B, *where), jac=jac, options=given, **more)


def same(a, b):
    assert set(a) == set(b)
    assert bits(a.x, a.jac, np.float64(a.fun)) == bits(b.x, b.jac, np.float64(b.fun))
    assert all(a[key] == b[key] for key in ("nit", "nfev", "njev", "status", "success", "message"))


# ---------------------------------------------------------------- both doors lead to the same


def pair(x, *args):
    return value(x, *args), gradient(x, *args)


@each_path
def test_the_doors_are_one(compiled):
    same(solve(here, compiled), solve(there, compiled))
    same(solve(here, compiled, jac="forward" if compiled else "3-point"), solve(there, compiled, jac=None))
    same(solve(here, compiled, jac=None), solve(there, compiled, jac=None))
    box = list(zip(*BOX))
    same(solve(here, compiled, bounds=box, where=BOX), solve(there, compiled, bounds=box, where=BOX))
    same(solve(here, compiled, tol=0.1), solve(there, compiled, tol=0.1))
    assert solve(there, compiled, tol=0.1).nit < solve(there, compiled).nit
    options = {"betas": (0.8, 0.9), "amsgrad": True, "lr": fastopt.schedules.cosine(0.1, 300), "ftol": 1e-9}
    same(solve(here, compiled, options=options), solve(there, compiled, options=options))
    assert solve(there, compiled).status == 0
    np.testing.assert_allclose(solve(there, compiled).x, np.linalg.solve(A, B), atol=1e-4)


def test_a_function_that_returns_the_gradient_too():
    calls = []

    def counted(*args):
        calls.append(args)
        return pair(*args)

    a, b = (door(counted, X0, args=(A, B, *FREE), jac=True, options={"lr": 0.05}) for door in (here, there))
    same(a, b)
    assert len(calls) == a.nfev + b.nfev
    np.testing.assert_array_equal(a.x, solve(here, False).x)


@pytest.mark.parametrize("door", [here, there])
def test_one_argument_needs_no_tuple(door):
    res = door(lambda x, c: float((x[0] - c) ** 2), 3.0, args=1.5, jac=lambda x, c: 2 * (x - c), options={"lr": 0.1})
    assert res.success
    assert res.x == pytest.approx([1.5], abs=1e-4)


def test_what_scipy_hands_on_and_a_first_order_method_does_not_use():
    wanted = solve(there, False)
    for unused in ({"hess": lambda *args: A}, {"hessp": lambda *args: X0}, {"constraints": ()}, {"constraints": []},
                   {"constraints": None}, {"constraints": {}}):  # fmt: skip
        same(solve(there, False, **unused), wanted)
    constraint = {"type": "eq", "fun": lambda x: x[0]}
    for constraints in (constraint, [constraint], scipy.optimize.LinearConstraint(np.eye(3), 0, 1)):
        with pytest.raises(ValueError, match="constraints must be empty"):
            solve(there, False, constraints=constraints)
    with pytest.warns(OptimizeWarning, match="eps_of_mine") as warned:
        same(solve(there, False, options={"eps_of_mine": 1}), wanted)
    assert [w.filename for w in warned] == [__file__], "the place of the call"
    with pytest.raises(TypeError, match="eps_of_mine"):
        solve(here, False, options={"eps_of_mine": 1})


@each_path
@each_door
def test_options_of_scipy(door, compiled, capsys):
    plain = solve(door, compiled, options={"maxiter": 30})
    assert capsys.readouterr().out == ""
    same(solve(door, compiled, options={"maxiter": 30.0, "disp": 1}), plain)
    assert capsys.readouterr().out == f"{plain.message}\n  fun: {plain.fun:g}, nit: 30, nfev: {plain.nfev}\n"
    seen = []
    for callback in (None, lambda xk: seen.append(xk.copy())):
        res = solve(door, compiled, options={"maxiter": 30, "return_all": True}, callback=callback)
        assert len(res.allvecs) == 31
        assert bits(res.allvecs[0], res.allvecs[-1]) == bits(X0, plain.x)
    assert bits(*seen) == bits(*res.allvecs[1:])
    for name in ("disp", "return_all"):
        with pytest.raises(ValueError, match=f"{name} must be left out for many problems"):
            fastopt.minimize_many(value, X0[None], jac=gradient, options={name: True})


def test_a_function_of_value_and_gradient_is_called_once_at_each_point():
    points = []

    def counted(x):
        points.append(tuple(x))
        return float(x @ x), 2 * x

    res = here(counted, [1.0, 2.0], "gd", jac=True, options={"lr": 0.1})
    assert len(points) == len(set(points)) == res.nfev == res.nit + 1


def test_the_method_itself():
    rule = fastopt.Rule(
        name="mine", update=lambda p, g, r: (p - r * g,), coefficients=lambda t, lr: (lr,), hyper={"lr": 1}
    )
    same(solve(there, method=rule), solve(there, method="gd"))
    assert (fastopt.method("adam").__name__, fastopt.method("Adam").__name__) == ("adam", "adam")
    for bad in ("bfgs", None, 3):
        with pytest.raises(ValueError, match="method must be"):
            fastopt.method(bad)


# ---------------------------------------------------------------- callbacks


@each_path
@each_door
def test_callbacks_get_copies(door, compiled):
    seen, results = [], []

    def spoil(xk):
        seen.append(xk.copy())
        xk[:] = np.nan

    def by_name(intermediate_result):
        assert isinstance(intermediate_result, OptimizeResult)
        results.append(intermediate_result)

    plain = solve(door, compiled, options={"maxiter": 30})
    for callback in (spoil, by_name, lambda *, intermediate_result: None, np.copy):
        res = solve(door, compiled, options={"maxiter": 30}, callback=callback)
        assert bits(res.x, res.jac) == bits(plain.x, plain.jac)
    assert res.nit == len(seen) == len(results) == 30
    for k in (1, 2, 17, 30):
        at_k = solve(door, compiled, options={"maxiter": k})
        assert bits(at_k.x) == bits(seen[k - 1]) == bits(results[k - 1].x)
        assert at_k.fun == results[k - 1].fun


@each_path
@each_door
def test_a_callback_may_stop(door, compiled):
    for last in (1, 5):
        seen = []

        def stop(xk, last=last, seen=seen):
            seen.append(xk)
            if len(seen) == last:
                raise StopIteration

        res = solve(door, compiled, callback=stop)
        assert (res.status, res.success, res.nit) == (99, False, last)
        assert bits(res.x) == bits(seen[-1])
        assert res.fun == value(res.x, A, B, *FREE)
        with pytest.raises(ZeroDivisionError):
            solve(door, compiled, callback=lambda xk: 1 / 0)
    with pytest.raises(TypeError, match="callback must be callable"):
        here(value, X0, args=(A, B, *FREE), jac=gradient, callback=3)


# ---------------------------------------------------------------- bounds

PAIRS = [(-1, 0.25), (-0.5, None), (None, 1.5)]


@pytest.mark.parametrize("jac", [gradient, "2-point", "3-point"])
@pytest.mark.parametrize("bounds", [PAIRS, np.transpose(BOX), Bounds(*BOX), tuple(map(tuple, zip(*BOX)))], ids=range(4))
@each_path
@each_door
def test_bounds(door, bounds, jac, compiled):
    """The minimum on the box, from inside, from a corner and from outside; no value is asked for outside."""
    wanted = scipy.optimize.minimize(value, X0, (A, B, *FREE), "L-BFGS-B", gradient, bounds=PAIRS, tol=1e-12)
    assert np.isclose(wanted.x[:, None], np.transpose(BOX)).any(axis=1).sum() == 3
    inside = []
    for x0 in (X0, [0.25, -0.5, 1.5], [9.0, -9.0, 9.0]):
        res = solve(door, compiled, x0, jac, BOX, bounds=bounds, callback=inside.append, method="momentum")
        assert (res.status, res.success) == (0, True)
        np.testing.assert_allclose(res.x, wanted.x, atol=1e-5)
        assert abs(res.fun - wanted.fun) <= 1e-6
    assert all(np.all((BOX[0] <= x) & (x <= BOX[1])) for x in inside)


@pytest.mark.parametrize("jac", [gradient, "2-point", "3-point"])
@each_path
def test_a_variable_that_the_bounds_fix(jac, compiled):
    for width in (0.0, 1e-12):
        where = (np.array([0.5, -9.0, -9.0]), np.array([0.5 + width, 9.0, 9.0]))
        res = solve(here, compiled, jac=jac, bounds=Bounds(*where), where=where)
        assert res.success, res.message
        assert res.x[0] == pytest.approx(0.5)
        np.testing.assert_allclose(res.x[1:], np.linalg.solve(A[1:, 1:], B[1:] - 0.5 * A[1:, 0]), atol=1e-4)


@each_path
@each_door
def test_bounds_that_fix_all(door, compiled):
    where = (X0, X0)
    res = solve(door, compiled, bounds=Bounds(*where), where=where, options={"gtol": 0.0, "maxiter": 10**9})
    assert (res.status, res.success, res.nit, res.message) == (0, True, 0, "The bounds fix every variable.")
    assert bits(res.x) == bits(X0)
    assert res.fun == value(X0, A, B, *FREE)


@each_path
@each_door
def test_bounds_when_maximising(door, compiled):
    corner = scipy.optimize.minimize(
        lambda x: -value(x, A, B, *FREE), X0 - 1, method="L-BFGS-B", bounds=[(-2, 2)] * 3, tol=1e-12
    )
    res = solve(door, compiled, X0 - 1, bounds=[(-2, 2)] * 3, options={"maximize": True})
    assert res.status == 0
    np.testing.assert_allclose(res.x, corner.x)


WRONG = [[(0, 1)], [(0, 1)] * 4, [(1, 0)] * 3, [(0, 1), (0, 1), (np.nan, 1)], 3, [1, 2, 3], [(0, 1, 2)] * 3, "abc"]
WRONG += [Bounds([0, 0], [1, 1]), Bounds([0] * 4, [1] * 4), Bounds(1, 0), [("a", "b")] * 3, [], [({}, 1)] * 3]


@pytest.mark.parametrize("bounds", WRONG, ids=range(len(WRONG)))
def test_bounds_refused(bounds):
    refused("bounds", X0, bounds)


# ---------------------------------------------------------------- where it starts, and where numbers end


def refused(word, x0, bounds=None):
    with pytest.raises((TypeError, ValueError)) as caught:
        here(value, x0, args=(A, B, *FREE), jac=gradient, bounds=bounds)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= 300
    assert word in text


@pytest.mark.parametrize(
    "x0", ["abc", ["a"], None, {}, [1j], [None], [[1.0], [1.0, 2]], [np.longdouble(1)], [[1.0]], [True]]
)
def test_x0_refused(x0):
    refused("x0", x0)


@each_path
def test_starts(compiled):
    fun = COMPILED[cliff] if compiled else cliff
    frozen = np.array([2.0, 9.0, 3.0])[::2]
    frozen.flags.writeable = False
    for x0 in (3, 3.5, [3], (1, 2), np.arange(3), np.int8(3), np.float32(3), frozen, np.array(2.0)):
        res = here(fun, x0, "gd", args=(-9.0, 0.0, 1.0), jac="inplace", options={"maxiter": 3, "lr": 0.5})
        assert res.x.dtype == (np.float32 if isinstance(x0, np.float32) else np.float64)
        np.testing.assert_array_equal(res.x, np.atleast_1d(x0) - 1.5)


@each_path
@pytest.mark.parametrize("reads", [{}, {"ftol": 1e-30}, {"best": True}], ids=["", "ftol", "best"])
@pytest.mark.parametrize(("f", "g"), [(0.2, np.nan), (np.nan, np.inf), (np.inf, -np.inf), (np.nan, 1.0)])
def test_not_finite(f, g, reads, compiled):
    """From 1.05 down in steps of 0.1 to the cliff at 0.5; without a reader of the value only the end looks at it."""
    fun = COMPILED[cliff] if compiled else cliff
    more = {"args": (0.5, f, g), "jac": "inplace", "options": {"lr": 0.1, "maxiter": 20} | reads}
    noticed = reads or g != 1.0
    res = here(fun, [1.05], "gd", **more)
    assert (res.status, res.success) == (3, False)
    if noticed:
        assert (res.x[0], res.fun, res.jac[0], res.nit) == (pytest.approx(0.55), res.x[0], 1.0, 6)
    res = here(fun, [0.25], "gd", **more)
    assert (res.status, res.success, res.x[0]) == (3, False, pytest.approx(0.25 if noticed else -1.75))
    np.testing.assert_array_equal((res.fun, res.jac[0]), (f, g))
