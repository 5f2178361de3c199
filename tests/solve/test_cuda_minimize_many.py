"""``minimize_many`` with a thread per problem, against the CPU's."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import cuda, njit
from on_cuda import gpu, host
from refusals import refuse
from stand_ins import Foreign
from stepping import DTYPES, ONE_OF_EACH, name_of

import fastopt

pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def misfit(x, grad, y, w, t, power):
    """y = x0 * exp(-x1 * t), least squares, weighted: a row and a number of this problem; an array and a number."""
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        e = math.exp(-x[1] * t[j])  # CUDA's Numba knows no np.exp
        r = x[0] * e - y[j]
        f += 0.5 * w * r * r
        grad[0] += w * r * e
        grad[1] -= w * r * x[0] * t[j] ** power * e
    return f


def value(x, y, w, t, power):
    f = 0.0
    for j in range(t.size):
        r = x[0] * math.exp(-x[1] * t[j]) - y[j]
        f += 0.5 * w * r * r
    return f


@njit
def exponential(x):
    return np.exp(x)


ON_GPU = {misfit: cuda.jit(device=True)(misfit), value: cuda.jit(device=True)(value)}


def problems(dtype, k=5):
    rng = np.random.default_rng(0)
    true, t = rng.uniform(0.5, 2.0, (k, 2)), np.linspace(0, 2, 6).astype(dtype)
    Y = (true[:, :1] * np.exp(-true[:, 1:] * t)).astype(dtype)
    return rng.uniform(0.8, 1.2, (k, 2)).astype(dtype), (Y, rng.uniform(0.5, 1.0, k).astype(dtype)), (t, 1)


def both(method, dtype, jac="inplace", options=(), tol=None, order="C"):
    """The results of CPU and GPU. On the CPU interpreted: a loop compiled for each case would take minutes."""
    fun = misfit if jac == "inplace" else value
    X0, args, shared = problems(dtype)
    options = {"lr": 0.05, "maxiter": 12, **dict(options)}
    expected = fastopt.minimize_many(fun, X0, args, shared, method, jac, tol=tol, options=options)
    here = gpu(np.asarray(X0, order=order)), gpu(args), (gpu(shared[0]), shared[1])
    found = fastopt.minimize_many(ON_GPU[fun], *here, method, jac, tol=tol, options=options)
    assert (host(here[0]) == X0).all(), "X0 must not be written"
    return found, expected


def assert_agree(found, expected, tolerance):
    for name in ("status", "nit", "nfev", "njev", "success"):
        np.testing.assert_array_equal(found[name], expected[name], name)
    for name in ("x", "jac"):
        a = host(found[name])
        assert a.dtype == expected[name].dtype
        # absolute, as gradients are sums of terms of about 1
        np.testing.assert_allclose(a, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(found.fun, expected.fun, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("name", dict.fromkeys([*ONE_OF_EACH, "madgrad"]))
def test_rules(name, dtype):
    # Few iterations: a centred RMSprop divides by a difference, which magnifies float32's rounding.
    assert_agree(*both(name, dtype, options={"maxiter": 6}), TOLERANCE[dtype])


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 0.1},
        {"clip_value": 0.05},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"clip_norm": 0.1, "clip_value": 0.2, "weight_decay": 0.1, "maximize": True},
        {"lr": fastopt.schedules.cosine(0.1, 10)},
        {"lr": fastopt.schedules.cosine(0.1, 10), "clip_norm": 0.1},
        {"best": True, "lr": 0.9},
        {"ftol": 1e-2},
        {"xtol": 2e-2},
        {"gtol": 0.5},
        {"gtol": 0, "maxfun": 7},
        {"maxiter": 0},
        {"maxiter": 40},
    ],
    ids=name_of,
)
@pytest.mark.parametrize("method", ["adam", "gd"])
def test_options(method, options):
    found, expected = both(method, np.float64, options=options)
    assert_agree(found, expected, 1e-11)


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_differences(jac):
    assert_agree(*both("adam", np.float64, jac), 1e-6)


def test_order_and_tol():
    found, expected = both("adam", np.float64, tol=0.1, order="F")
    assert_agree(found, expected, 1e-12)
    assert set(expected.status) == {0, 1}
    assert host(found.x).flags.f_contiguous


def test_the_same_function_as_on_the_cpu():
    """Numba's function for the CPU is compiled again for the GPU, with helpers and NumPy's functions on numbers."""

    @njit
    def fun(x, grad, a):
        e = exponential(a * x[0])
        grad[0] = a * e - 1.0 / np.sqrt(np.abs(x[0]))
        return e - 2.0 * np.sqrt(np.abs(x[0]))

    X0, a = np.ones((3, 1)), np.array([0.5, 1.0, 1.5])
    options = {"lr": 0.05, "maxiter": 9}
    found = fastopt.minimize_many(fun, gpu(X0), (gpu(a),), (), "adam", "inplace", options=options)
    expected = fastopt.minimize_many(fun.py_func, X0, (a,), (), "adam", "inplace", options=options)
    assert_agree(found, expected, 1e-12)


def test_state_that_does_not_start_at_zero():
    assert_agree(*both("adagrad", np.float64, options={"initial_accumulator_value": 0.5}), 1e-12)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_norms_of_all_sizes(size):
    def fun(x, grad, a):
        grad[0], grad[1] = a * x[0], 2 * a * x[1]
        return 0.0

    X0, a = np.array([[1.0, 2.0], [3.0, -1.0]]), np.full(2, size)
    options = {"lr": 0.5, "clip_norm": 0.1, "maxiter": 3, "gtol": 0}
    found = fastopt.minimize_many(cuda.jit(device=True)(fun), gpu(X0), (gpu(a),), (), "gd", "inplace", options=options)
    expected = fastopt.minimize_many(fun, X0, (a,), (), "gd", "inplace", options=options)
    np.testing.assert_allclose(host(found.x), expected.x, rtol=1e-12)
    assert size < 1 or (np.linalg.norm(expected.x - X0, axis=1) > 0.1).all()


def test_a_gradient_that_is_not_finite():
    """Of a finite value, and not the last element."""

    @cuda.jit(device=True)
    def fun(x, grad, a):
        grad[0], grad[1] = a, 1.0
        return 0.0

    a = gpu(np.array([np.nan, np.inf, 2.0]))
    found = fastopt.minimize_many(fun, gpu(np.ones((3, 2))), (a,), (), "gd", "inplace", options={"maxiter": 2})
    assert found.status.tolist() == [3, 3, 1]


def test_each_stops_by_itself():
    """A non-finite value ends one problem and no other; one that has converged stays."""

    @cuda.jit(device=True)
    def fun(x, grad, a):
        grad[0] = a * x[0]
        return 0.5 * a * x[0] * x[0]

    found = fastopt.minimize_many(
        fun, gpu(np.ones((3, 1))), (gpu(np.array([1.0, np.nan, 1e-9])),), (), "gd", "inplace",
        options={"lr": 0.5, "maxiter": 50},
    )  # fmt: skip
    assert found.status.tolist() == [0, 3, 0]
    assert found.nit[0] == 17  # 0.5**17 < 1e-5
    assert found.nit[2] == 0
    assert host(found.x)[1] == 1


def test_time_and_no_problems():
    X0, args, shared = problems(np.float64)
    here = gpu(args), (gpu(shared[0]), 1)
    found = fastopt.minimize_many(ON_GPU[misfit], gpu(X0), *here, jac="inplace", options={"maxtime": 0.0})
    assert found.status.tolist() == [7] * 5
    assert (host(found.x) == X0).all()
    assert np.isnan(found.fun).all()
    assert np.isnan(host(found.jac)).all()
    assert found.nfev.tolist() == [0] * 5
    none = fastopt.minimize_many(
        ON_GPU[misfit], gpu(np.ones((0, 2))), gpu((np.ones((0, 6)), np.ones(0))), here[1], jac="inplace"
    )
    assert none.fun.shape == (0,)


def test_arrays_of_other_libraries():
    X0, args, shared = problems(np.float64)
    options = {"maxiter": 5}
    found = fastopt.minimize_many(
        ON_GPU[misfit], Foreign(X0), tuple(map(Foreign, args)), (Foreign(shared[0]), 1), jac="inplace", options=options
    )
    expected = fastopt.minimize_many(misfit, X0, args, shared, jac="inplace", options=options)
    assert_agree(found, expected, 1e-12)


X, ROWS, T = np.ones((5, 2)), (np.ones((5, 6)), np.ones(5)), np.ones(6)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"X0": lambda: gpu(np.ones(5))}, ValueError, ["X0", "(k, d)", "(5,)"]),
        ({"X0": lambda: gpu(np.ones((5, 2), np.int64))}, TypeError, ["X0", "float32 or float64", "int64"]),
        ({"X0": lambda: Foreign(np.ones((10, 2)), shape=(5, 2), strides=(32, 8))}, ValueError, ["X0", "contiguous"]),
        ({"args": lambda: ROWS}, TypeError, ["args[0]", "GPU", "fastopt.to_device"]),
        ({"args": lambda: gpu((np.ones((4, 6)), ROWS[1]))}, ValueError, ["args[0]", "5 problems", "(4, 6)"]),
        ({"args": lambda: (gpu(ROWS[0]), 1.0)}, TypeError, ["args[1]", "GPU", "1.0"]),
        ({"shared": lambda: (T, 1)}, TypeError, ["shared[0]", "GPU", "fastopt.to_device"]),
        ({"shared": lambda: (gpu(T),)}, TypeError, ["fun(x, grad, arg1, arg2, arg3)", "misfit"]),
        ({"jac": lambda: True}, ValueError, ["jac", "'inplace'", "True"]),
        ({"jac": lambda: "cs"}, ValueError, ["jac", "'inplace'", "'cs'"]),
        ({"jac": lambda: ON_GPU[value]}, ValueError, ["jac", "'inplace'"]),
        ({"fun": lambda: misfit}, TypeError, ["fun", "Numba function", "device=True"]),
        ({"fun": lambda: cuda.jit(misfit)}, TypeError, ["fun", "Numba function", "device=True"]),
        ({"options": lambda: {"lrr": 1}}, TypeError, ["lrr"]),
        ({"options": lambda: {"inline": False}}, ValueError, ["inline", "False"]),
        ({"executor": lambda: ThreadPoolExecutor(1)}, ValueError, ["executor", "GPU", "a ThreadPoolExecutor"]),
        ({"options": lambda: {"lanes": 8}}, TypeError, ["lanes", "GPU", "8"]),
        ({"args": lambda: gpu((np.zeros(5, "f8,f4"), ROWS[1]))}, TypeError, ["args[0]", "array of numbers"]),
    ],
)
def test_refusals(changes, error, words):
    call = {"fun": ON_GPU[misfit], "X0": gpu(X), "args": gpu(ROWS), "shared": (gpu(T), 1), "jac": "inplace"}
    call |= {name: make() for name, make in changes.items()}
    refuse(lambda: fastopt.minimize_many(**call), error, *words)


def test_arrays_on_the_gpu_for_problems_on_the_cpu():
    refuse(
        lambda: fastopt.minimize_many(njit(misfit), X, gpu(ROWS), (T, 1), jac="inplace"), TypeError, "args[0]", "GPU"
    )
    refuse(
        lambda: fastopt.minimize_many(njit(misfit), X, ROWS, (gpu(T), 1), jac="inplace"),
        TypeError,
        "shared[0]",
        "GPU",
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_a_gradient_left_unwritten(dtype):
    @cuda.jit(device=True)
    def fun(x, grad, a):
        grad[0] = a
        if a < 1.0:
            grad[1] = a
        return x[0]

    given = gpu(np.ones((3, 2), dtype)), (gpu(np.array([0.5, 0.5, 1.5], dtype)),), ()
    with pytest.raises(TypeError, match=r"^fun must write grad.*grad\[1\] was left as it was in problem 2$"):
        fastopt.minimize_many(fun, *given, "gd", "inplace")
