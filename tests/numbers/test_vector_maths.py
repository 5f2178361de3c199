"""The functions of ``fastopt.jit``: accuracy, special values, the same bits anywhere, vector registers."""

import math
import platform
import re
from functools import cache

import mpmath
import numpy as np
import pytest
from numba import njit
from processes import Place
from pytest_runs import run_pytest

from fastopt import jit
from fastopt.numbers.polynomial import has_fma
from fastopt.numbers.public import FUNCTIONS
from fastopt.numbers.views import as_lanes

UNARY = [name for name in FUNCTIONS if name != "pow"]
RNG = np.random.default_rng(5)
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan]
EXACT = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
# where the errors are largest, and the edges: the last finite results, subnormal ones, the last that are not 0
RANGES = {
    "exp": [(-745.2, 709.7), (-1, 1), (-745.1, -708)],
    "expm1": [(-40, 709.7), (0.34, 0.41), (-0.4, 0.4)],
    "log": [(0.6, 1.5), (0.99, 1.01), (0, 2e-308)],
    "log1p": [(-0.4, 0.6), (-1, 3), (0, 1e6)],
    "tanh": [(-1, 1), (0.59, 0.66), (-22, 22)],
    "sin": [(-1e5, 1e5), (-7, 7), (-1.6, 1.6)],
    "cos": [(-1e5, 1e5), (-7, 7), (1.5, 1.6)],
    "sigmoid": [(-745.2, 40), (-6, 6), (-1, 1)],
    "softplus": [(-745.2, 40), (-6, 2), (-1, 1)],
}
EDGES = [709.782712893384, -745.13, -708.3964185322641, 5e-324, -5e-324, 2.2e-308, 1e-17, -1e-300, 1.0, -1.0, 36.7]


@cache
def over(name):
    function = getattr(jit, name)

    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


@njit(error_model="numpy")
def powers(x, y, out):
    for i in range(x.size):
        out[i] = jit.pow(x[i], y[i])


def of(name, x):
    out = np.empty_like(x)
    over(name)(x, out)
    return out


def points(name, per_range=150):
    every = RNG.integers(0, 2**64, 3 * per_range, dtype=np.uint64).view(np.float64)  # all exponents
    x = np.concatenate([every, *(RNG.uniform(*ends, per_range) for ends in RANGES[name]), EDGES])
    if name in ("sin", "cos"):  # and the doubles nearest to multiples of π/2, where almost nothing remains
        x = np.concatenate([x, [float(k * mpmath.pi / 2) for k in RNG.integers(1, 63662, 100)]])
        return x[np.abs(x) <= 1e5]
    return x[(x > 0) | (name != "log")] if name != "log1p" else x[x > -1]


def ulps(found, exact):
    """How far from the exact value, in units of the last place of that."""
    nearest = float(exact)
    if not math.isfinite(nearest) or math.isnan(found):
        return 0.0 if found == nearest else math.inf
    return float(abs(mpmath.mpf(found) - exact) / mpmath.mpf(math.ulp(nearest)))


@pytest.mark.parametrize("name", UNARY)
def test_within_the_stated_bound(name):
    x = points(name)
    x = x[np.isfinite(x)]
    with mpmath.workprec(160):
        worst = max((ulps(found, EXACT[name](mpmath.mpf(at))), at) for at, found in zip(x, of(name, x)))
    assert worst[0] <= FUNCTIONS[name][1], worst


def test_pow_within_the_stated_bound():
    x = np.concatenate(
        [np.exp(RNG.uniform(-700, 700, 300)), 1 + RNG.uniform(-1, 1, 300) * 1e-8, RNG.uniform(0, 9, 300)]
    )
    y = np.concatenate([RNG.uniform(-744, 709, 600) / np.log(x[:600]), RNG.uniform(-9, 9, 300)])
    out = np.empty_like(x)
    powers(x, y, out)
    with mpmath.workprec(200):
        worst = max((ulps(f, mpmath.mpf(a) ** mpmath.mpf(b)), a, b) for a, b, f in zip(x, y, out))
    assert worst[0] <= FUNCTIONS["pow"][1], worst


@pytest.mark.parametrize("name", UNARY)
def test_special_values_and_signs_of_zero(name):
    x = np.array([*SPECIAL, 709.79, 1e308, -746.0, -1e308, -1.0, 1e300])
    plain = {
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softplus": lambda x: np.logaddexp(0, x),
    }.get(name) or getattr(np, name)
    x = x[:5] if name in ("sin", "cos") else x
    with np.errstate(all="ignore"):
        expected = plain(x)
    found = of(name, x)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(found[:2]), np.signbit(expected[:2]))


def test_pow_at_special_values_is_the_c_librarys():
    values = [*SPECIAL, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e300, -1e300, 5e-324, 2.0**53 - 1, 2.0**53, -1.5]
    x, y = (grid.ravel().copy() for grid in np.meshgrid(values, values))
    out = np.empty_like(x)
    powers(x, y, out)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    np.testing.assert_allclose(out, expected, rtol=2.3e-16)
    np.testing.assert_array_equal(np.signbit(out)[~np.isnan(out)], np.signbit(expected)[~np.isnan(out)])


def test_sin_and_cos_of_what_is_huge():
    """That of a number that differs from x by at most one in the last place."""
    x = np.exp(RNG.uniform(np.log(1e5), np.log(1e15), 300)) * RNG.choice([-1, 1], 300)
    for name in ("sin", "cos"):
        off = np.array([float(abs(f - EXACT[name](mpmath.mpf(at)))) for at, f in zip(x, of(name, x))])
        assert (off <= np.spacing(np.abs(x)) + 4e-16).all()
        assert (np.abs(of(name, np.array([1e17, -1e300]))) <= 1).all()


@pytest.mark.parametrize("name", UNARY)
def test_float32(name):
    """The nearest float32, almost always: it is computed in float64."""
    x = np.concatenate([points(name), SPECIAL])
    with np.errstate(all="ignore"):
        x = x.astype(np.float32)
        wide = of(name, x.astype(np.float64))
    found = of(name, x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, wide.astype(np.float32))
    assert found.dtype == np.float32
    assert jit.exp(np.float32(1)) == np.float32(jit.exp(1.0))


@pytest.mark.skipif(not has_fma(), reason="so are all of these tests")
def test_within_the_bounds_where_no_processor_multiplies_and_adds_at_once(tmp_path):
    env = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert run_pytest(__file__, "-k", "bound and (sin or tanh or log1p or pow) and not processor", **env) == 4


# --- anywhere --------------------------------------------------------------------------------------------------------


@njit(error_model="numpy")
def in_lanes(x, out):
    """Everything at once: fewer functions to compile."""
    numbers, results = as_lanes(x, 4), as_lanes(out, 4)
    for i in range(len(numbers)):
        a = numbers[i]
        results[i, 0], results[i, 1], results[i, 2] = jit.exp(a), jit.expm1(a), jit.log(a)
        results[i, 3], results[i, 4], results[i, 5] = jit.log1p(a), jit.tanh(a), jit.sin(a)
        results[i, 6], results[i, 7], results[i, 8] = jit.cos(a), jit.sigmoid(a), jit.softplus(a)
        results[i, 9] = jit.pow(a, a)


def test_the_same_bits_at_any_position_and_in_lanes():
    x = np.concatenate([RNG.normal(size=33) * 3, RNG.uniform(0, 700, 30), [0.0, -0.0, np.inf, 5e-324, 1e-310]])
    assert len(x) == 68
    out = np.empty((17, 10, 4))
    in_lanes(x.reshape(17, 4), out)
    for k, name in enumerate([*UNARY, "pow"]):
        whole = of(name, x) if name != "pow" else np.empty_like(x)
        if name == "pow":
            powers(x, x, whole)
        else:
            for start in range(1, 9):
                np.testing.assert_array_equal(of(name, x[start:].copy()).view(np.int64), whole[start:].view(np.int64))
            np.testing.assert_array_equal(getattr(jit, name)(x[3]), whole[3])  # NaN, too
        np.testing.assert_array_equal(out[:, k].reshape(-1).view(np.int64), whole.view(np.int64), err_msg=name)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names of another processor's registers")
@pytest.mark.parametrize("name", UNARY)
def test_loops_run_in_vector_registers(name):
    of(name, np.zeros(1))
    assembly = next(text for key, text in over(name).inspect_asm().items() if "float64" in str(key))
    assert len(re.findall(r"\bv?mulpd\b|\bvfn?m(?:add|sub)\w*pd\b", assembly)) >= 8
    assert not re.search(r"call\w*\s+.*\b(fma|exp|log|sin|cos|tanh)\b", assembly)
    if has_fma():  # which comes with these registers
        assert "%ymm" in assembly or "%zmm" in assembly


@njit(error_model="numpy", fastmath=True)
def fast(x, out):
    lanes = as_lanes(x, 4)
    as_lanes(out, 4)[0] = np.exp(lanes[0]) + np.log(lanes[0]) + jit.tanh(lanes[0])


def test_fastmath_does_not_undo_it():
    x, out = np.array([[0.5, 1.0, 3.0, 20.0]]), np.empty((1, 4))
    fast(x, out)
    np.testing.assert_allclose(out, np.exp(x) + np.log(x) + np.tanh(x), rtol=1e-15)


# --- what is refused, what is kept -----------------------------------------------------------------------------------


def test_refusals():
    with pytest.raises(TypeError, match=r"jit\.exp takes numbers, got array\(float64, 1d, C\): .*jit\.exp\(x\[i\]\)$"):
        jit.exp(np.zeros(3))
    with pytest.raises(TypeError, match=r"jit\.pow takes numbers, got complex128$"):
        jit.pow(1.0, 1j)


USER = """
from numba import njit
from fastopt import jit

@njit(cache=True)
def grown(x): return jit.exp(x)
"""


def test_a_users_cached_function_is_compiled_anew_after_an_edit(tmp_path):
    place = Place(tmp_path)
    place.write({"user.py": USER})
    code = "import user\nanswers['e'] = user.grown(0.0)"
    runs = [place.run(code), place.run(code)]
    place.edit("fastopt/numbers/exponential.py", "madd(less, first, first)", "madd(less, first, 2.0 * first)")
    runs.append(place.run(code))
    assert [run["answers"]["e"] for run in runs] == [[1.0], [1.0], [2.0]]
    assert ["grown" in run["compiled"] for run in runs] == [True, False, True]
