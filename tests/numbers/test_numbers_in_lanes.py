"""Lanes: a function written for numbers gives, of lanes, in each lane what it gives of that lane's numbers."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit, types
from numba.core.errors import TypingError

from fastopt import numbers
from fastopt.kernels.digest import _templates, digest
from fastopt.kernels.forward import for_duals
from fastopt.numbers.dual import Dual
from fastopt.numbers.lane import Lane, Mask
from fastopt.numbers.views import as_lanes, lane, of_lanes

RNG = np.random.default_rng(11)
A = RNG.normal(size=(3, 3))


def arithmetic(x, out):
    a, b, c = x
    out[:] = 0.0
    out[0] += a * b - c / 2 + 1
    out[1] -= -a * 3 + b
    out[2] = a // b + a % 0.75 - c % -2
    out[-1] = x[0] ** 2 + b**3.0 + abs(c) ** 0.5 + 2**a + b**-2 + abs(a) ** b + x[2] ** 0 + pow(a, 2)
    total = 0
    for i in range(len(x)):
        total += x[i] * i
    out[3] = total + x[-1] * x.size


def chosen(x, out):
    a, b, c = x
    out[0] = max(a, 0) + min(b, 1, c) + np.minimum(a, b) + np.maximum(c, 0.5) + np.fmin(a, c) - np.fmax(b, 2)
    out[1] = np.where(a > b, a, 2) + np.where(c <= 0, 1.0, 0.0) + np.where(True, b, 1)
    out[2] = np.clip(a, -0.5, 0.5) + np.sign(b) + np.sign(a - a) + math.copysign(2.0, c)
    out[3] = np.floor(a) + math.ceil(b) + math.trunc(c) + np.rint(4 * a) + math.fabs(b) + np.abs(c)
    small = (a < 0.5) & (b != c) | ~(c >= 0)
    out[4] = small * a + (a == a) * b + np.isnan(c) + np.isfinite(a) * 2 + np.square(b) + np.reciprocal(c)


def libraries(x, out):
    a, b, c = x
    out[0] = math.exp(a) + np.exp(b) + np.log(abs(c)) + math.log2(abs(a)) + np.log10(abs(b)) + math.log1p(abs(c))
    out[1] = np.tanh(a) + math.sinh(b) + np.cosh(c) + math.sin(a) + np.cos(b) + math.tan(c) + np.expm1(a)
    out[2] = np.arctan(a) + math.asin(np.tanh(b)) + math.atan2(b, c) + np.hypot(a, 2) + np.cbrt(c) + math.sqrt(abs(a))
    out[3] = math.erf(a) + math.erfc(b) + math.lgamma(abs(c) + 1) + math.asinh(a)
    out[4] = np.logaddexp(a, b) + math.radians(c) + np.rad2deg(a) + float(b)


@njit
def residuals(x):
    """Helpers may return arrays, and tuples of them."""
    r = np.empty_like(x)
    for i in range(len(x)):
        r[i] = 10 * x[i] - 1
    return r, x[1:]


def arrays(x, out):
    y, z = np.empty_like(x), np.zeros(4, x.dtype)
    for i in range(len(x)):
        y[i] = abs(x[i])
    z[1:] = x
    z[:2] = z[1:3]
    z[-1] = 3
    out[0] = sum(x) + np.sum(z) + x.sum() + np.mean(y) + np.prod(x) + np.sum(y, axis=0) + x.sum(axis=0)
    out[1] = np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0)
    out[2] = np.sum(np.maximum(x, 0) * np.sqrt(np.abs(x)) - np.exp(-x) / 3 + (x > 0) * x)
    out[3] = np.dot(x, np.dot(A, x)) + x @ (A @ x) + np.sum(x @ A) + (A @ A @ x)[1]
    w = x.copy()
    w += 1
    w *= x
    w -= y
    w /= 2.0
    r, rest = residuals(x)
    out[4] = w[0] + w[-1] + np.sum(r * r) + rest[0] + np.max(x) - x.min() + np.linalg.norm(x)
    out[4] += np.sum(np.where(x > 0, x, 0.5)) + np.sum(np.clip(x, -0.5, y))


FUNCTIONS = [arithmetic, chosen, libraries, arrays]


def ran(function, x, count):
    """The results of the function of lanes, (5, count), for x of (3, count)."""
    compiled = njit(error_model="numpy")(function)

    @njit(error_model="numpy")
    def run(x, out):
        compiled(as_lanes(x, count), as_lanes(out, count))

    out = np.zeros((5, count), x.dtype)
    run(x, out)
    return out


@pytest.mark.parametrize(
    ("function", "dtype", "count"),
    [*((function, np.float64, 8) for function in FUNCTIONS), (chosen, np.float32, 16)],
)
def test_each_lane_has_what_its_numbers_give(function, dtype, count):
    x = RNG.normal(size=(3, count)).astype(dtype)
    x[2, 1] = 0.5
    found = ran(function, x, count)
    for k in range(count):
        expected = np.zeros(5)
        with np.errstate(all="ignore"):
            function(x[:, k].astype(float), expected)
        tolerance = 1e-13 if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(found[:, k], expected, rtol=tolerance, atol=tolerance)


@njit(error_model="numpy")
def hyperbolic(x, out):
    lanes, results = as_lanes(x, 8), as_lanes(out, 8)
    for i in range(len(lanes)):
        results[0, i], results[1, i] = np.sinh(lanes[i]), np.cosh(lanes[i])


def test_hyperbolic_functions_as_far_as_they_are_finite_and_beyond():
    ends = [709.9, 710.13, 710.3, 710.47, 710.48, 711.0, 800.0, np.inf]
    x = np.array([ends, np.negative(ends)])
    out = np.zeros((2, 2, 8))
    hyperbolic(x, out)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(out, [np.sinh(x), np.cosh(x)], rtol=1e-15)


def test_a_lane_does_not_depend_on_its_neighbours():
    x = RNG.normal(size=(3, 8))
    found = ran(libraries, x, 8)
    other = x[:, ::-1].copy()
    other[:, 3] = np.nan
    again = ran(libraries, other, 8)
    others = [k for k in range(8) if k != 3]
    np.testing.assert_array_equal(again[:, others], found[:, ::-1][:, others])


@njit(error_model="numpy")
def halves(x, out):
    """Into the second half of out's rows, which are aligned to 8 bytes only."""
    numbers, results = as_lanes(x, 4), as_lanes(out, 4)
    results[1:] = numbers
    back = of_lanes(results)
    back[0, 1] = lane(numbers[0], 2) + back.shape[0] + back.shape[1]
    return results


def test_views_are_of_the_same_memory_wherever_it_is():
    buffer = np.zeros(65)

    @njit(error_model="numpy")
    def run(x, out):
        halves(x, out)

    for shift in range(8):
        x, out = buffer[shift : shift + 8].reshape(2, 4), buffer[shift + 20 : shift + 32].reshape(3, 4)
        x[:] = RNG.normal(size=(2, 4))
        run(x, out)
        np.testing.assert_array_equal(out[1:], x)
        assert out[0, 1] == x[0, 2] + 3 + 4


def test_float32_stays_float32():
    lanes = types.Array(Lane(types.float32, 16), 1, "C")
    for text in (
        lambda x: x[0] * 2.0 + 1,
        lambda x: np.exp(0.5 * x[0]) ** 1.5,
        lambda x: np.where(x[0] > 0.0, 2.0, 1.0) * x[1] + (x[0] < 1.0) * 0.5,
        lambda x: np.sum(x * 0.1),
        lambda x: max(x[0], 0.0) / np.float64(3),
    ):
        function = njit(text)
        function.compile((lanes,))
        assert function.overloads[(lanes,)].signature.return_type is Lane(types.float32, 16)


@pytest.mark.parametrize(
    "text",
    [
        lambda x: 1.0 if x[0] > 0 else 2.0,
        lambda x: x[0] if x[0] > 0 and x[1] > 0 else x[1],
        lambda x: 1.0 if x[0] else 2.0,
        lambda x: int(x[0]),
    ],
)
def test_lanes_have_no_truth_value(text):
    """What branches on data does not compile, so that it is run one problem at a time."""
    with pytest.raises(TypingError):
        njit(text).compile((types.Array(Lane(types.float64, 8), 1, "C"),))


EIGHT = Lane(types.float64, 8)


@pytest.mark.parametrize("element", [EIGHT, Dual(types.float64, 2), Dual(EIGHT, 2)], ids=str)
@pytest.mark.parametrize(
    "text",
    [
        lambda x: np.linalg.norm(x, 1),
        lambda x: np.linalg.norm(x, ord=np.inf),
        lambda x: np.sum(np.vdot(x.reshape(2, 2), x.reshape(2, 2))),
        lambda x: np.sum(x.view(np.float64)),
        lambda x: x[0] * x.itemsize,
        lambda x: x[0] * x.nbytes,
    ],
)
def test_what_would_be_another_answer_does_not_compile(text, element):
    with pytest.raises(TypingError):
        for_duals(njit(text)).compile((types.Array(element, 1, "C"),))


@pytest.mark.parametrize("text", [lambda x: ((x > 0) + (x < 1)) * x, lambda x: np.multiply(x > 0, x < 1) * x])
def test_truths_in_arrays_are_not_added_as_numbers(text):
    """NumPy's sum of truths is a truth."""
    with pytest.raises(TypingError):
        njit(text).compile((types.Array(EIGHT, 1, "C"),))


def test_one_type_for_each_pair_which_a_kernels_digest_knows():
    assert EIGHT is Lane(types.float64, 8)
    assert EIGHT.mask is Mask(EIGHT)
    found = {digest(types.Array(Lane(dtype, n), 1, "C")) for dtype in (types.float32, types.float64) for n in (4, 8)}
    assert len(found) == 4
    assert None not in found


def test_the_sources_of_this_room_count_for_every_kernel():
    room = Path(numbers.__file__).parent
    assert all(file.read_bytes() in _templates() for file in room.glob("*.py"))


def test_what_problems_on_lanes_are_of_has_taught_numba_all():
    """In a process of its own: here other tests may have."""
    code = """if True:
        import numpy as np
        from numba import njit, types
        from fastopt.kernels.evaluations import lane_of
        lanes = types.Array(lane_of(types.float64, 8), 1, "C")
        njit(lambda x: np.sum(x) ** 2 + np.arctan(x[0])).compile((lanes,))"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_import_of_the_package_teaches_numba_nothing():
    code = "import fastopt, sys; print(sorted(m for m in sys.modules if m.startswith('fastopt.numbers.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fastopt.numbers.element', 'fastopt.numbers.overloaded']"
