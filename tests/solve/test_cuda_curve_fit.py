"""``curve_fit_many`` and ``least_squares_many`` with a thread per problem, against the CPU's.

In Numba's simulator, which compiles nothing, they are refused.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import cuda, njit
from on_cuda import SIMULATED, gpu, host
from refusals import refuse
from stand_ins import Foreign
from stepping import bits

import fastopt

quiet = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
COUNTS = ("status", "success", "nit", "nfev", "rank")
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-9}
T = np.linspace(0, 3, 12)


@njit
def decay(t, a, b):
    return a * np.exp(-b * t)


@njit
def plane(t, a, b, c):
    return a * t[0] + b * t[1] + c


@njit
def bent(x, r, y, first):
    r[0] = 10.0 * (x[1] - x[0] * x[0])
    for j in range(y.size):
        r[first + j] = y[j] - x[0]


def curves(k=9, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 3, (k, 1)), rng.uniform(0.3, 2, (k, 1))
    return (a * np.exp(-b * T) + rng.normal(0, 0.05, (k, T.size))).astype(dtype)


def assert_agree(found, expected, tolerance):
    for name in COUNTS:
        np.testing.assert_array_equal(found[name], expected[name], name)
    for name in ("x", "cov", "stderr"):
        a = host(found[name])
        assert a.dtype == expected[name].dtype
        np.testing.assert_allclose(a, expected[name], rtol=tolerance, err_msg=name)
    np.testing.assert_allclose(found.cost, expected.cost, rtol=tolerance)
    assert (found.lanes, found.message) == (1, expected.message)


def refused_there():
    refuse(lambda: fastopt.curve_fit_many(decay, gpu(T), gpu(Y), [1.0, 1.0]), TypeError, "f", "simulator")
    refuse(lambda: fastopt.least_squares_many(bent, gpu(np.ones((9, 2)))), TypeError, "residuals", "simulator")


def real(test):
    """The test as it is; in the simulator that what it needs is refused."""
    return refused_there if SIMULATED else test


def both(xdata, Y, P0, sigma=None, f=decay, **options):
    expected = fastopt.curve_fit_many(f, xdata, Y, P0, sigma, **options)
    Y = np.asfortranarray(Y) if Y.dtype == np.float32 else Y
    here = gpu(xdata), gpu(Y), gpu(P0) if np.ndim(P0) > 1 else P0, gpu(sigma)
    return fastopt.curve_fit_many(f, *here, **options), expected


def with_gaps(Y):
    Y[::2, 3], Y[3, 1:], Y[4, 0] = np.nan, np.nan, np.inf  # one has too few points, and one no finite residual
    return Y


CASES = {
    "plain": (np.float64, T, None, {}),
    "narrow": (np.float32, T, 0.1 + T, {"absolute_sigma": True, "ftol": 1e-3}),
    "all": (np.float64, np.tile(T, (9, 1)), 0.05 + np.abs(curves(seed=3)),
            {"bounds": ([1.2, 0.0], [2.0, 1.5]), "loss": "cauchy", "f_scale": 0.1}),
}  # fmt: skip


@real
@quiet
@pytest.mark.parametrize(("dtype", "xdata", "sigma", "options"), CASES.values(), ids=CASES)
def test_as_on_the_cpu(dtype, xdata, sigma, options):
    Y, P0 = with_gaps(curves(dtype=dtype)), np.full((9, 2), 1.3, dtype)
    P0[5, 1] = np.nan if sigma is None else 1.0
    sigma = None if sigma is None else sigma.astype(dtype)
    found, expected = both(xdata.astype(dtype), Y, P0, sigma, **options)
    assert_agree(found, expected, TOLERANCE[dtype])
    assert expected.status[[3, 4]].tolist() == [9, 3]


@real
@quiet
def test_how_curves_end():
    """What is left of them without time, or with too few steps; and with few evaluations in each launch."""
    Y = curves()
    for options in ({"maxiter": 2}, {"maxtime": 0.0}):
        assert_agree(*both(T, Y, [1.0, 1.0], **options), 1e-9)


@real
def test_launches_change_nothing(monkeypatch):
    given, launches = (decay, gpu(T), gpu(curves()), np.ones(2)), []
    whole = fastopt.curve_fit_many(*given)
    monkeypatch.setattr("fastopt.solve.device_squares.FIRST_SLICE", 1)
    monkeypatch.setattr("fastopt.solve.device_squares.next_slice", lambda *_: launches.append(1) or 1)
    monkeypatch.setattr("fastopt.solve.device_squares.BLOCK", 4)
    parts = fastopt.curve_fit_many(*given)
    assert len(launches) > 12
    for name in ("cost", *COUNTS):
        assert bits(parts[name]) == bits(whole[name]), name
    for name in ("x", "cov", "stderr"):
        assert bits(host(parts[name])) == bits(host(whole[name])), name


@real
@quiet
def test_several_variables_and_what_is_not_determined():
    """The second is the first one again."""
    xdata, Y = (np.cos(T), np.cos(T)), np.arange(1, 5)[:, None] * np.cos(T) + 0.5 + 0.01 * np.sin(9 * T)
    found, expected = both(xdata, Y, [1.0, 1.0, 1.0], f=plane)
    assert found.rank.tolist() == [2] * 4
    assert np.isnan(host(found.stderr)).sum() == 8
    np.testing.assert_allclose(host(found.stderr)[:, 2], expected.stderr[:, 2], rtol=1e-6)
    np.testing.assert_allclose(found.cost, expected.cost, rtol=1e-8)


@real
def test_residuals():
    X0, Y = np.array([[-1.2, 1.0], [3.0, 0.0]]), np.array([[1.0, 1.1], [0.5, 0.4]])
    expected = fastopt.least_squares_many(bent, X0, (Y,), (1,))
    found = fastopt.least_squares_many(bent, gpu(X0), (gpu(Y),), (1,))
    assert_agree(found, expected, 1e-9)
    with_gap = gpu(X0), (gpu(Y),), (2,)
    refuse(lambda: fastopt.least_squares_many(bent, *with_gap), ValueError, "r[0], r[1], ...", "problem 0")


@real
def test_arrays_of_other_libraries_and_starts_on_the_gpu():
    Y = curves()
    expected = fastopt.curve_fit_many(decay, T, Y, [1.0, 1.0])
    for P0 in (gpu(np.ones(2)), Foreign(np.ones((9, 2)))):
        found = fastopt.curve_fit_many(decay, Foreign(T), gpu(Y), P0)
        assert_agree(found, expected, 1e-9)


@real
def test_no_curves():
    found = fastopt.curve_fit_many(decay, gpu(T), gpu(np.empty((0, 12))), [1.0, 1.0])
    assert (found.x.shape, found.cov.shape, found.message) == ((0, 2), (0, 2, 2), "0 of 0 problems succeeded.")


# --- refusals --------------------------------------------------------------------------------------------------------


@njit
def with_an_array(t, a, b):
    return np.zeros(2)[0] + a * t + b


@njit
def of_one(t, a):
    return a * t


Y, SIGMA = curves(), np.r_[0.0, np.ones(11)]
CALL = {"f": decay, "xdata": gpu(T), "Y": gpu(Y), "P0": [1.0, 1.0]}


@real
@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"xdata": T}, TypeError, ["xdata", "GPU like Y", "fastopt.to_device"]),
        ({"xdata": (gpu(T), T)}, TypeError, ["xdata[1]", "GPU like Y"]),
        ({"xdata": gpu(T.astype(np.float32))}, TypeError, ["xdata", "float64 like Y", "float32"]),
        ({"xdata": gpu(T[1:])}, ValueError, ["xdata", "(12,) or (9, 12)", "(11,)"]),
        ({"Y": gpu(Y[0])}, ValueError, ["Y", "(k, n)", "(12,)"]),
        ({"Y": gpu(Y.astype(int))}, TypeError, ["Y", "float32 or float64", "int64"]),
        ({"P0": np.ones((9, 2))}, ValueError, ["P0", "(d,), or to be on the GPU", "(9, 2)"]),
        ({"P0": gpu(np.ones((4, 2)))}, ValueError, ["P0", "(d,) or (9, d)", "(4, 2)"]),
        ({"P0": gpu(np.ones(2, np.float32))}, TypeError, ["P0", "float64 like Y", "float32"]),
        ({"P0": np.ones(17)}, ValueError, ["P0", "16", "17"]),
        ({"sigma": gpu(SIGMA)}, ValueError, ["sigma", "positive"]),
        ({"sigma": SIGMA}, TypeError, ["sigma", "GPU like Y"]),
        ({"bounds": (2.0, 3.0)}, ValueError, ["P0", "within the bounds"]),
        ({"lanes": 8}, TypeError, ["lanes", "8", "GPU"]),
        ({"starts": 3}, ValueError, ["starts", "left out", "GPU", "3"]),
        ({"executor": ThreadPoolExecutor(1)}, ValueError, ["executor", "left out", "GPU"]),
        ({"P0": None}, TypeError, ["P0", "None"]),
        ({"xdata": ()}, ValueError, ["xdata", "empty tuple"]),
        ({"f": decay.py_func}, TypeError, ["f", "Numba function", "GPU"]),
        ({"f": of_one}, TypeError, ["f(t, p0, p1)", "of_one(t, a)"]),
    ],
    ids=str,
)
def test_refusals(changes, error, words):
    refuse(lambda: fastopt.curve_fit_many(**CALL | changes), error, *words)


@real
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ((gpu(np.ones(2)), (gpu(Y),), (1,)), ValueError, ["X0", "(k, d)", "(2,)"]),
        ((gpu(np.ones((9, 2))), (Y,), (1,)), TypeError, ["args[0]", "GPU like X0"]),
        ((gpu(np.ones((8, 2))), (gpu(Y),), (1,)), ValueError, ["args[0]", "8 problems", "(9, 12)"]),
        ((gpu(np.ones((9, 2))), (gpu(Y),), ()), TypeError, ["residuals(x, r, arg1)", "bent(x, r, y, first)"]),
    ],
    ids=str,
)
def test_refusals_of_residuals(given, error, words):
    refuse(lambda: fastopt.least_squares_many(bent, *given), error, *words)


def test_on_the_cpu_no_array_is_on_the_gpu():
    refuse(lambda: fastopt.curve_fit_many(decay, gpu(T), Y, [1.0, 1.0]), TypeError, "xdata", "CPU", "GPU")


@real
def test_what_makes_arrays_is_refused():
    says = r"^f must compile for CUDA as f\(t, a, b\) -> float, but with_an_array does not: "
    with pytest.raises(TypeError, match=says) as caught:
        fastopt.curve_fit_many(**CALL | {"f": with_an_array})
    assert str(caught.value).endswith("; it must make no arrays")
    assert len(str(caught.value)) <= 300


@real
def test_a_function_that_raises():
    @cuda.jit(device=True)
    def f(t, a, b):
        if t > 2.0 and a > 2.0:
            raise ValueError("too large")
        return a * math.exp(-b * t)

    P0 = np.ones((9, 2))
    P0[3, 0] = 3.0
    bounds = (0.0, np.where(np.arange(9)[:, None] == 3, 4.0, [1.9, 9.0]))
    with pytest.warns(RuntimeWarning, match="of problem 3 raised an exception, of which a GPU says no more"):
        found = fastopt.curve_fit_many(f, gpu(T), gpu(Y), gpu(P0), bounds=bounds)
    assert (found.status == 5).tolist() == [i == 3 for i in range(9)]
