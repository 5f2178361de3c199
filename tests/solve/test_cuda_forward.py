"""``minimize_many`` on a GPU with functions that return the value alone, against the CPU's.

In Numba's simulator, which compiles nothing, they are refused.
"""

import math

import numpy as np
import pytest
from numba import cuda, njit
from on_cuda import SIMULATED, gpu, host
from refusals import refuse
from stepping import DTYPES, name_of

import fastopt

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
T = np.linspace(0.1, 2.0, 6)


@njit
def misfit(x, y, w, t, power):
    """A row and a number of this problem; an array and a number."""
    f = 0.0
    for j in range(t.size):
        f += w * (x[0] * np.exp(-x[1] * t[j] ** power) - y[j]) ** 2
    return f


@njit
def along(u, v):
    return math.hypot(u, v) + 0.1 * u**4, (math.atan2(u, v), 2.0)


@njit
def branches(x, a, w):
    """What a derivative has to follow: helpers, tuples, choices, loops over x."""
    f = (
        math.tanh(a[0] * x[0]) * abs(x[1]) ** 1.5
        + math.log1p(x[0] * x[0])
        - math.erf(x[-1])
        + 0.01 * math.lgamma(4 + x[1])
    )
    near, (angle, two) = along(x[0], x[-1])
    f += near + 0.1 * angle * two + max(x[0], x[1]) * min(x[0], 0.5) + x[1] % 3.0
    if x[0] > w:
        f += x[0] ** 2
    for v in x:
        f += np.where(v > 0.3, v * v, w * v)
    return f + np.dot(x, x) + np.sum(x[1:])


@njit
def rosen(x):
    f = 0.0
    for i in range(x.size - 1):
        f += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return f


def problem_of(name, d, dtype, k=5):
    """The function, where to start, and what it is given besides: rows, and what all share."""
    rng = np.random.default_rng(d)
    X0 = rng.uniform(0.8, 1.2, (k, d)).astype(dtype)
    if name == "misfit":
        return misfit, X0, (rng.uniform(0.2, 1.0, (k, T.size)).astype(dtype), np.ones(k, dtype)), (T.astype(dtype), 1)
    if name == "branches":
        return branches, X0, (rng.standard_normal((k, 2)).astype(dtype), rng.uniform(0.9, 1.1, k).astype(dtype)), ()
    return rosen, X0, (), ()


def there(args):
    return tuple(gpu(a) if isinstance(a, np.ndarray) else a for a in args)


def refused(fun, *given):
    """Whether this is the simulator."""
    if SIMULATED:
        refuse(lambda: fastopt.minimize_many(fun, *given, jac="forward"), ValueError, "jac", "'inplace'", "'forward'")
    return SIMULATED


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(("name", "d"), [("misfit", 2), ("branches", 3), ("rosen", 8), ("rosen", 17)])
def test_as_on_the_cpu(name, d, dtype):
    fun, X0, args, shared = problem_of(name, d, dtype)
    if refused(fun, gpu(X0), there(args), there(shared)):
        return
    options = {"lr": 1e-3, "maxiter": 5, "gtol": 0}
    expected = fastopt.minimize_many(fun, X0, args, shared, "adam", options=options | {"lanes": 1})
    found = fastopt.minimize_many(fun, gpu(X0), there(args), there(shared), "adam", options=options)
    for key in ("status", "nit", "nfev", "njev"):
        np.testing.assert_array_equal(found[key], expected[key], key)
    size = np.abs(expected.jac).max()
    np.testing.assert_allclose(host(found.x), expected.x, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(host(found.jac) / size, expected.jac / size, atol=TOLERANCE[dtype], rtol=0)
    np.testing.assert_allclose(found.fun, expected.fun, rtol=TOLERANCE[dtype])


def test_a_device_function():
    """The gradient is that which is written by hand."""

    @cuda.jit(device=True)
    def fun(x, a):
        return math.exp(a * x[0]) - x[1] / x[0]

    X0, a = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([0.5, -2.0])
    if refused(fun, gpu(X0), (gpu(a),)):
        return
    found = fastopt.minimize_many(fun, gpu(X0), (gpu(a),), method="gd", jac="forward", options={"maxiter": 0})
    expected = np.c_[a * np.exp(a * X0[:, 0]) + X0[:, 1] / X0[:, 0] ** 2, -1 / X0[:, 0]]
    np.testing.assert_allclose(host(found.jac), expected, rtol=1e-14)


@njit
def of_an_array(x):
    return np.sum(x * x)


@njit
def writes(x, grad):
    grad[:] = x
    return x[0]


def test_what_makes_arrays_is_refused():
    X0 = gpu(np.ones((3, 2)))
    if refused(of_an_array, X0):
        return
    with pytest.raises(TypeError, match=r"^fun must compile for CUDA as fun\(x\) -> float, but of_an_array") as caught:
        fastopt.minimize_many(of_an_array, X0)
    assert str(caught.value).endswith("; it must make no arrays, and may write its gradient (jac='inplace')")
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("fun", "d", "error", "words"),
    [
        (writes, 2, TypeError, ["fun(x) -> float", "writes(x, grad)"]),
        (rosen, 257, ValueError, ["256 variables", "257", "'inplace'"]),
        (rosen.py_func, 2, TypeError, ["Numba function"]),
    ],
)
def test_refusals(fun, d, error, words):
    X0 = gpu(np.ones((3, d)))
    if not refused(fun, X0):
        refuse(lambda: fastopt.minimize_many(fun, X0, jac="forward"), error, *words)


def test_a_device_function_does_not_run_on_the_cpu():
    fun = cuda.jit(device=True)(rosen.py_func)
    refuse(lambda: fastopt.minimize_many(fun, np.ones((3, 2)), jac="forward"), TypeError, "Numba function", "@njit")
    refuse(lambda: fastopt.minimize(fun, np.ones(2), jac="forward"), TypeError, "Numba function", "@njit")
