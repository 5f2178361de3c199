"""Gradients of values alone: in ``minimize``, in users' own code, of arrays, for any number of variables."""

import math

import numpy as np
import pytest
import scipy.optimize
from numba import njit
from numba.core.errors import TypingError
from refusals import refuse

import fastopt
from fastopt.problems import functions

RNG = np.random.default_rng(9)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal(4)


@njit
def rosen(x):
    """As SciPy writes it."""
    x = np.asarray(x)
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0, dtype=x.dtype)


@njit
def branches(x, limit):
    total = 0.0
    for i, v in enumerate(x):
        if v > limit:
            total += v * v
        elif v < -limit:
            total -= 3 * v
        else:
            continue
        total *= 1 + abs(v) / (i + 1)
    return total


@njit
def helper(u, v):
    return u * math.sin(v) + v, (u, v, 2.0)


@njit
def tuples(x):
    a, b, c = x
    first, (u, v, w) = helper(a, c)
    return first * u + w * v - b


CONSTANT = 2.5
scaled = (lambda factor: njit(lambda x: factor * CONSTANT * x[0] * x[-1]))(1.5)


@njit
def value_of_arrays(x, k):
    """A choice among what people write of arrays; each is a number."""
    if k == 0:
        return np.sum(x * 2 - x**3 / B + np.exp(-x) * x[0])
    if k == 1:
        return (A @ x).sum() + np.dot(A, x)[1] * (x @ B) + (x @ A.T)[0] + x.dot(B) + np.vdot(B, x)
    if k == 2:
        return np.mean(x) * x.mean() + np.prod(x) - x.prod() ** 2 + np.var(x) + x.std()
    if k == 3:
        return np.max(x) * x.min() + max(x) - min(x) + np.linalg.norm(x) + np.sum(np.abs(x)) + np.sum(abs(x - 1))
    if k == 4:
        return (
            np.sum(np.where(x > 0, x * x, -x)) + np.sum(np.clip(x, -0.5, 0.5)) + np.sum(x * (x > 0.1)) + np.sum(x > 0)
        )
    if k == 5:
        y = np.empty_like(x)
        y[:] = x[::-1]
        y[1:-1] += x[2:] * x[-4:-2]
        z = np.zeros_like(x)
        z[0] = y[1]
        z -= 2.0
        return np.sum(y * z) + np.cumsum(y)[2] + x.cumsum()[-1]
    if k == 6:
        r = np.zeros(3, x.dtype)
        for i in range(3):
            r[i] = A[i] @ x - 1.0
        return sum(r * r) + sum([v * v for v in x]) + np.array([x[0] ** 2, x[1], 3.0]).sum()
    if k == 7:
        m = x.reshape(2, 2)
        return (
            (m @ m.T)[0, 1] + np.outer(x, x)[1, 2] + (m @ x[:2])[0] + (x[2:] @ m)[1] + m.sum() + np.sum(m.T, axis=0)[0]
        )
    if k == 8:
        return np.sum(np.concatenate((x[1:], x[:1])) * x) + np.sum(np.roll(x, 1) * x) + np.diff(x)[1] + x[np.argmax(x)]
    if k == 9:
        return np.sum(np.arange(1, 5) * x**2) / x.size + np.linspace(0.0, 1.0, 4) @ x + np.sum(np.maximum(x, 0.2) ** 2)
    total = 0.0
    for u, v in zip(x[1:], x[:-1]):
        total += (u - v) ** 2
    return total + np.full(3, x[1])[2] + x[x > 0.0].sum() + x.copy()[2] + len(x) * x[0]


def central(fun, x, *args):
    """The derivative by finite differences of higher order."""
    steps = 1e-3 * np.eye(x.size)
    weights = {1: 0.8, 2: -0.2, 3: 4 / 105, 4: -1 / 280}
    return (
        np.array([sum(w * (fun(x + k * h, *args) - fun(x - k * h, *args)) for k, w in weights.items()) for h in steps])
        / 1e-3
    )


@pytest.fixture(scope="module")
def gradient():
    made = {}

    def call(fun, x, *args):
        if fun not in made:
            made[fun] = fastopt.value_and_grad(fun)
        grad = np.full_like(x, np.nan)
        return made[fun](x, grad, *args), grad

    return call


@pytest.mark.parametrize("d", [2, 7, 8, 9, 16, 17, 100])
def test_any_number_of_variables(gradient, d):
    x = RNG.standard_normal(d)
    value, grad = gradient(rosen, x)
    assert value == rosen(x)
    np.testing.assert_allclose(grad, scipy.optimize.rosen_der(x), rtol=1e-12, atol=1e-12 * abs(grad).max())


@pytest.mark.parametrize("k", range(11))
def test_arrays(gradient, k):
    x = np.array([0.4, 1.3, -0.6, 2.1])
    value, grad = gradient(value_of_arrays, x, k)
    assert value == pytest.approx(value_of_arrays.py_func(x, k), rel=1e-14)  # BLAS adds up in its own order
    np.testing.assert_allclose(grad, central(value_of_arrays.py_func, x, k), rtol=1e-8, atol=1e-8)


def test_branches_loops_tuples_helpers_closures(gradient):
    x = np.array([1.5, -0.7, 0.2])
    for fun, args in ((branches, (0.5,)), (tuples, ()), (scaled, ())):
        value, grad = gradient(fun, x, *args)
        assert value == fun(x, *args)
        np.testing.assert_allclose(grad, central(fun, x, *args), rtol=1e-9)


def test_float32(gradient):
    x = np.float32([0.4, 1.3, -0.6, 2.1])
    _, grad = gradient(rosen, x)
    assert grad.dtype == np.float32
    np.testing.assert_allclose(grad, scipy.optimize.rosen_der(x.astype(float)), rtol=2e-5)


def test_division_by_zero_is_ieees():
    """Also where the function, as Numba compiles it by itself, would raise."""
    f = fastopt.value_and_grad(njit(lambda x: 1.0 / x[0]))
    grad = np.empty(1)
    assert f(np.zeros(1), grad) == math.inf
    assert grad[0] == -math.inf
    assert fastopt.minimize(njit(lambda x: 1.0 / x[0]), np.zeros(1)).status == 3


def test_the_slope_of_extremes_is_that_of_the_number_where_the_other_is_not_one(gradient):
    @njit
    def extremes(x):
        a, b = x
        return np.fmax(a, b) + 10 * np.fmax(b, a) + 100 * np.fmin(a, b) + 1000 * np.fmin(b, a) + 10000 * max(a, b)

    value, grad = gradient(extremes, np.array([1.0, np.nan]))
    assert value == 11111.0
    np.testing.assert_array_equal(grad, [11111.0, 0.0])


def test_a_polynomial_at_zero(gradient):
    """Whose exponents are counted, and of which 0**0 is the first power."""

    @njit
    def polynomial(x, c):
        total = 0.0
        for i in range(c.size):
            total += c[i] * x[0] ** i
        return total

    value, grad = gradient(polynomial, np.zeros(1), np.array([3.0, 2.0, 5.0]))
    assert (value, grad[0]) == (3.0, 2.0)


def test_x_is_a_copy(gradient):
    @njit
    def overwrites(x):
        x[0] *= 2.0
        return x[0] * x[1]

    x = np.array([3.0, 4.0])
    assert gradient(overwrites, x)[0] == 24.0
    np.testing.assert_array_equal(gradient(overwrites, x)[1], [8.0, 6.0])
    np.testing.assert_array_equal(x, [3.0, 4.0])


# --- against the gradients written by hand ---------------------------------------------------------------------------


@pytest.mark.parametrize("problem", functions.CLASSICS, ids=lambda problem: problem.name)
def test_problems(problem):
    """Their value, of which each function here returns that alone: what it writes is for another array."""
    fun_and_grad = njit(problem.fun_and_grad)
    f = fastopt.value_and_grad(njit(lambda x: fun_and_grad(x, np.empty_like(x))))
    x = problem.x0 + RNG.uniform(-0.3, 0.3, problem.x0.size)
    grad, by_hand = np.empty_like(x), np.empty_like(x)
    value = f(x, grad)
    assert value == pytest.approx(problem.fun_and_grad(x, by_hand), rel=1e-15)
    np.testing.assert_allclose(grad, by_hand, rtol=1e-12, atol=1e-12 * abs(by_hand).max())


# --- in minimize -----------------------------------------------------------------------------------------------------


def test_none_is_forward_for_a_numba_function():
    options = {"lr": 0.05, "maxiter": 200}
    forward, none, differences = (
        fastopt.minimize(rosen, np.zeros(3), method="adam", jac=jac, options=options)
        for jac in ("forward", None, "3-point")
    )
    np.testing.assert_array_equal(none.x, forward.x)
    assert none.nfev == none.njev == forward.nfev < differences.nfev
    assert (none.x != differences.x).any()
    python = fastopt.minimize(rosen.py_func, np.zeros(3), method="adam", options=options)
    np.testing.assert_allclose(python.x, differences.x, rtol=1e-6)
    assert python.nfev == differences.nfev


def test_the_loop_has_it_inlined_too():
    options = {"lr": 0.05, "maxiter": 300}
    called, inlined = (fastopt.minimize(rosen, np.zeros(3), options=options | {"inline": i}) for i in (False, True))
    np.testing.assert_array_equal(called.x, inlined.x)


def test_scipys_method():
    """SciPy turns names that it does not know into None."""
    options = {"lr": 0.05, "maxiter": 200}
    ours = fastopt.minimize(rosen, np.zeros(3), method="adam", options=options)
    theirs = scipy.optimize.minimize(rosen, np.zeros(3), method=fastopt.method("adam"), options=options)
    np.testing.assert_array_equal(ours.x, theirs.x)


def test_many_problems():
    X0, options = np.random.default_rng(0).uniform(-1, 1, (5, 3)), {"lr": 0.05, "gtol": 0.0, "maxiter": 500}
    many = fastopt.minimize_many(rosen, X0, options=options)
    for i, x0 in enumerate(X0):
        one = fastopt.minimize(rosen, x0, method="adam", options=options)
        np.testing.assert_allclose(many.x[i], one.x, atol=1e-9)
        assert many.nfev[i] == many.njev[i]


# --- refusals --------------------------------------------------------------------------------------------------------


def median(x):
    return np.median(x)


def own_array(x):
    r = np.zeros(2)
    r[0] = x[0]
    return r[0]


def added_to_own_array(x):
    r = np.zeros(2)
    r += x
    return r[0]


@njit(parallel=True)
def in_parallel(x):
    return np.sum(x * x)


def calls_in_parallel(x):
    return in_parallel(x)


def seen_as_numbers(x):
    return np.sum(x.view(np.float64))


def returns_x(x):
    return x


def needs_more(x, y):
    return x[0]


@pytest.mark.parametrize(
    ("fun", "says"),
    [
        (median, "np.median(x)"),
        (own_array, "in: r[0] = x[0]; make that array with np.zeros(n, x.dtype)"),
        (added_to_own_array, "make that array with np.zeros(n, x.dtype)"),
        (calls_in_parallel, "compile what it calls without parallel=True"),
        (seen_as_numbers, "Numba has view for plain numbers alone"),
        (returns_x, "returns_x returns array"),
        (needs_more, "fun must be callable as fun(x) -> float"),
    ],
)
def test_what_does_not_compile_is_one_sentence(fun, says):
    with pytest.raises(TypeError) as caught:
        fastopt.minimize(njit(fun), np.ones(2))
    message = str(caught.value)
    assert says in message
    assert len(message) <= 300
    assert "\n" not in message
    assert " must " in message


def test_refusals():
    python = rosen.py_func
    refuse(lambda: fastopt.minimize(python, np.ones(2), jac="forward"), TypeError, "jac='forward', got a function")
    refuse(lambda: fastopt.value_and_grad(python), TypeError, "fun must be a Numba function: put @njit on it, got")
    refuse(lambda: fastopt.per_example(python), TypeError, "loss must be a Numba function: put @njit on it, got")
    with pytest.raises(ValueError, match="grad must have the size of x"):
        fastopt.value_and_grad(rosen)(np.ones(3), np.ones(2))


@pytest.mark.parametrize(
    ("x", "grad", "says"),
    [
        (np.ones(3, int), np.ones(3), "x must be an array of shape (d,) of float32 or float64, got array(int64"),
        (np.ones((2, 2)), np.ones(4), "x must be an array of shape (d,) of float32 or float64, got array(float64, 2d"),
        (np.ones(3), np.ones(3, int), "grad must have the dtype of x, float64, got array(int64"),
        (np.ones(3), np.ones(3, np.float32), "grad must have the dtype of x, float64, got array(float32"),
    ],
)
def test_arrays_of_another_kind_are_refused(x, grad, says):
    """Not cast, of which nobody would hear."""
    with pytest.raises(TypingError) as caught:
        fastopt.value_and_grad(rosen)(x, grad)
    assert says in str(caught.value)


def test_a_gradient_in_the_memory_of_x_is_refused():
    """It would be read as x in the second pass."""
    x = np.linspace(0.5, 1.5, 20)
    with pytest.raises(ValueError, match="grad must share no memory with x"):
        fastopt.value_and_grad(rosen)(x[:17], x[3:])
