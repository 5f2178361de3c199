"""Every function that duals have, against its derivative by mpmath: at random points and at special ones."""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mp
from numba import njit

import fastopt

RNG = np.random.default_rng(5)
ALL, POSITIVE, UNIT, ABOVE_ONE = (-6.0, 6.0), (0.01, 9.0), (-0.99, 0.99), (1.01, 9.0)
M = mpmath
UNARY = {  # source: mpmath's function, domain
    "math.exp(a)": (M.exp, ALL),
    "np.exp(a)": (M.exp, ALL),
    "np.exp2(a)": (lambda a: mp.mpf(2) ** a, ALL),
    "math.expm1(a)": (M.expm1, ALL),
    "np.expm1(a)": (M.expm1, ALL),
    "math.log(a)": (M.log, POSITIVE),
    "np.log(a)": (M.log, POSITIVE),
    "math.log1p(a)": (lambda a: M.log(1 + a), UNIT),
    "np.log1p(a)": (lambda a: M.log(1 + a), UNIT),
    "math.log2(a)": (lambda a: M.log(a, 2), POSITIVE),
    "np.log2(a)": (lambda a: M.log(a, 2), POSITIVE),
    "math.log10(a)": (M.log10, POSITIVE),
    "np.log10(a)": (M.log10, POSITIVE),
    "math.sqrt(a)": (M.sqrt, POSITIVE),
    "np.sqrt(a)": (M.sqrt, POSITIVE),
    "np.cbrt(a)": (M.cbrt, POSITIVE),
    "np.square(a)": (lambda a: a * a, ALL),
    "np.reciprocal(a)": (lambda a: 1 / a, POSITIVE),
    "math.sin(a)": (M.sin, ALL),
    "np.sin(a)": (M.sin, ALL),
    "math.cos(a)": (M.cos, ALL),
    "np.cos(a)": (M.cos, ALL),
    "math.tan(a)": (M.tan, (-1.5, 1.5)),
    "np.tan(a)": (M.tan, UNIT),
    "math.asin(a)": (M.asin, UNIT),
    "np.arcsin(a)": (M.asin, UNIT),
    "math.acos(a)": (M.acos, UNIT),
    "np.arccos(a)": (M.acos, UNIT),
    "math.atan(a)": (M.atan, ALL),
    "np.arctan(a)": (M.atan, ALL),
    "math.sinh(a)": (M.sinh, ALL),
    "np.sinh(a)": (M.sinh, ALL),
    "math.cosh(a)": (M.cosh, ALL),
    "np.cosh(a)": (M.cosh, ALL),
    "math.tanh(a)": (M.tanh, (-30.0, 30.0)),
    "np.tanh(a)": (M.tanh, ALL),
    "math.asinh(a)": (M.asinh, ALL),
    "np.arcsinh(a)": (M.asinh, ALL),
    "math.acosh(a)": (M.acosh, ABOVE_ONE),
    "np.arccosh(a)": (M.acosh, ABOVE_ONE),
    "math.atanh(a)": (M.atanh, UNIT),
    "np.arctanh(a)": (M.atanh, UNIT),
    "math.erf(a)": (M.erf, ALL),
    "math.erfc(a)": (M.erfc, ALL),
    "math.gamma(a)": (M.gamma, (0.1, 20.0)),
    "math.lgamma(a)": (lambda a: M.log(abs(M.gamma(a))), (-5.9, 30.0)),
    "jit.exp(a)": (M.exp, ALL),
    "jit.expm1(a)": (M.expm1, ALL),
    "jit.log(a)": (M.log, POSITIVE),
    "jit.log1p(a)": (lambda a: M.log(1 + a), UNIT),
    "jit.sin(a)": (M.sin, ALL),
    "jit.cos(a)": (M.cos, ALL),
    "jit.tanh(a)": (M.tanh, ALL),
    "jit.sigmoid(a)": (lambda a: 1 / (1 + M.exp(-a)), (-30.0, 30.0)),
    "jit.softplus(a)": (lambda a: M.log(1 + M.exp(a)), (-30.0, 30.0)),
    "jit.pow(a, 2.5)": (lambda a: a ** mp.mpf(2.5), POSITIVE),
    "abs(a)": (abs, ALL),
    "math.fabs(a)": (abs, ALL),
    "np.abs(a)": (abs, ALL),
    "np.fabs(a)": (abs, ALL),
    "math.radians(a)": (M.radians, ALL),
    "np.deg2rad(a)": (M.radians, ALL),
    "math.degrees(a)": (M.degrees, ALL),
    "np.rad2deg(a)": (M.degrees, ALL),
    "np.sign(a)": (M.sign, ALL),
    "np.floor(a)": (M.floor, ALL),
    "np.ceil(a)": (M.ceil, ALL),
    "np.trunc(a)": (lambda a: M.sign(a) * M.floor(abs(a)), ALL),
    "np.rint(a)": (M.nint, ALL),
    "math.floor(a) * a": (lambda a: math.floor(a) * a, ALL),
    "int(a) * a": (lambda a: int(a) * a, ALL),
    "a ** 2": (lambda a: a**2, ALL),
    "a ** 7": (lambda a: a**7, ALL),
    "a ** -3": (lambda a: a**-3, ALL),
    "a ** 0": (lambda a: a**0, ALL),
    "a ** 1": (lambda a: a, ALL),
    "a ** 2.5": (lambda a: a ** mp.mpf(2.5), POSITIVE),
    "a ** n": (lambda a: a**5, ALL),
    "2.5 ** a": (lambda a: mp.mpf(2.5) ** a, ALL),
    "3 ** a": (lambda a: mp.mpf(3) ** a, ALL),
    "np.power(a, 3)": (lambda a: a**3, ALL),
    "math.pow(a, 3.5)": (lambda a: a ** mp.mpf(3.5), POSITIVE),
    "pow(a, 2)": (lambda a: a**2, ALL),
    "2 - 3 * -a / 4.0 + 1": (lambda a: 3 + mp.mpf(3) * a / 4, ALL),
    "1 / a": (lambda a: 1 / a, POSITIVE),
    "+a": (lambda a: a, ALL),
    "float(a)": (lambda a: a, ALL),
    "a % 2.5": (lambda a: a % mp.mpf(2.5), ALL),
    "a // 2 + a": (lambda a: M.floor(a / 2) + a, ALL),
    "max(a, 0.5, 2)": (lambda a: max(a, mp.mpf(0.5), 2), ALL),
    "min(a, 1)": (lambda a: min(a, 1), ALL),
    "np.clip(a, -1.0, 2.0)": (lambda a: min(max(a, -1), 2), ALL),
    "(a > 0) * a": (lambda a: max(a, 0), ALL),
}
BINARY = {
    "a + b": (lambda a, b: a + b, ALL),
    "a - b": (lambda a, b: a - b, ALL),
    "a * b": (lambda a, b: a * b, ALL),
    "a / b": (lambda a, b: a / b, POSITIVE),
    "a ** b": (lambda a, b: a**b, (0.1, 3.0)),
    "np.power(a, b)": (lambda a, b: a**b, (0.1, 3.0)),
    "math.atan2(a, b)": (M.atan2, ALL),
    "np.arctan2(a, b)": (M.atan2, ALL),
    "math.hypot(a, b)": (M.hypot, ALL),
    "np.hypot(a, b)": (M.hypot, ALL),
    "math.copysign(a, b)": (lambda a, b: abs(a) * M.sign(b), ALL),
    "np.fmod(a, b)": (M.fmod, POSITIVE),
    "a % b": (lambda a, b: a % b, POSITIVE),
    "np.logaddexp(a, b)": (lambda a, b: M.log(M.exp(a) + M.exp(b)), ALL),
    "max(a, b)": (max, ALL),
    "min(a, b)": (min, ALL),
    "np.maximum(a, b)": (max, ALL),
    "np.minimum(a, b)": (min, ALL),
    "np.fmax(a, b)": (max, ALL),
    "np.fmin(a, b)": (min, ALL),
    "np.where(a > b, a * b, a)": (lambda a, b: a * b if a > b else a, ALL),
    "a if a <= b else b * b": (lambda a, b: a if a <= b else b * b, ALL),
}
SOURCES = [*UNARY, *BINARY]


def compiled(sources):
    """All in one function, since compiling is what takes time."""
    lines = [f"    if k == {k}:\n        return 0.0 * a + {source}" for k, source in enumerate(sources)]
    text = "def every(x, k, n):\n    a, b = x\n" + "\n".join(lines) + "\n    return a\n"
    names = {"math": math, "np": np, "jit": fastopt.jit}
    exec(text, names)
    return njit(names["every"])


@pytest.fixture(scope="module")
def derivative():
    """``derivative(source, a, b) -> value, (along a, along b)``."""
    f = fastopt.value_and_grad(compiled(SOURCES))

    def call(source, a, b=1.0, dtype=np.float64):
        grad = np.empty(2, dtype)
        return f(np.array([a, b], dtype), grad, SOURCES.index(source), 5), grad

    return call


def close(found, exact, scale=1.0, ulps=16):
    exact = float(exact)
    return abs(found - exact) <= ulps * 2.0**-52 * max(abs(exact), 0.05 * scale)


@pytest.mark.parametrize("source", UNARY)
def test_functions_of_one_number(derivative, source):
    function, (low, high) = UNARY[source]
    with mp.workdps(40):
        for a in RNG.uniform(low, high, 6):
            value, grad = derivative(source, a)
            exact = M.diff(function, mp.mpf(a))
            assert close(value, function(mp.mpf(a))), a
            assert close(grad[0], exact), (a, grad[0], exact)
            assert grad[1] == 0.0


@pytest.mark.parametrize("source", BINARY)
def test_functions_of_two_numbers(derivative, source):
    function, (low, high) = BINARY[source]
    with mp.workdps(40):
        for a, b in RNG.uniform(low, high, (6, 2)):
            value, grad = derivative(source, a, b)
            assert close(value, function(mp.mpf(a), mp.mpf(b)))
            assert close(grad[0], M.diff(function, (mp.mpf(a), mp.mpf(b)), (1, 0)))
            assert close(grad[1], M.diff(function, (mp.mpf(a), mp.mpf(b)), (0, 1)))


NAN, INF = math.nan, math.inf
CORNERS = [  # at a corner: what ForwardDiff.jl answers; elsewhere the limit
    ("abs(a)", 0.0, 1.0),
    ("abs(a)", -0.0, -1.0),
    ("abs(a)", -INF, -1.0),
    ("max(a, b)", 1.0, 0.0),
    ("min(a, b)", 1.0, 1.0),
    ("np.sign(a)", 0.0, 0.0),
    ("np.clip(a, -1.0, 2.0)", 2.0, 1.0),
    ("np.clip(a, -1.0, 2.0)", -1.0, 1.0),
    ("np.clip(a, -1.0, 2.0)", 2.1, 0.0),
    ("math.exp(a)", -INF, 0.0),
    ("math.exp(a)", INF, INF),
    ("math.exp(a)", NAN, NAN),
    ("math.exp(a)", 5e-324, 1.0),
    ("math.log(a)", 0.0, INF),
    ("math.log(a)", INF, 0.0),
    ("math.sqrt(a)", 0.0, INF),
    ("math.sqrt(a)", INF, 0.0),
    ("math.sqrt(a)", -1.0, NAN),
    ("np.cbrt(a)", 0.0, INF),
    ("math.tanh(a)", INF, 0.0),
    ("math.tanh(a)", -400.0, 0.0),
    ("math.atan(a)", INF, 0.0),
    ("math.erf(a)", INF, 0.0),
    ("math.expm1(a)", -40.0, math.exp(-40.0)),
    ("math.log1p(a)", -1.0, INF),
    ("1 / a", 0.0, -INF),
    ("a ** 2", 0.0, 0.0),
    ("a ** 1", 0.0, 1.0),
    ("a ** 0", 0.0, 0.0),
    ("a ** 0", INF, 0.0),
    ("a ** -3", 0.0, -INF),
    ("a ** 2.5", 0.0, 0.0),
    ("a ** n", 0.0, 0.0),
    ("math.gamma(a)", 5e-324, -INF),
    ("math.lgamma(a)", -1.0, NAN),
    ("np.floor(a)", 2.0, 0.0),
    ("math.sin(a)", INF, NAN),
    ("np.square(a)", 1e-200, 2e-200),
    ("math.asinh(a)", 0.0, 1.0),
    ("math.hypot(a, b)", 0.0, 0.0),
    ("math.atan2(a, b)", 0.0, 1.0),
]


@pytest.mark.parametrize(("source", "a", "slope"), CORNERS)
def test_corners(derivative, source, a, slope):
    np.testing.assert_equal(derivative(source, a)[1][0], slope)


def test_powers_of_zero(derivative):
    """Along the exponent 0**y does not move where y > 0."""
    np.testing.assert_equal(derivative("a ** b", 0.0, 2.0), (0.0, [0.0, 0.0]))
    np.testing.assert_equal(derivative("a ** b", 0.0, 1.0), (0.0, [1.0, 0.0]))
    assert np.isnan(derivative("a ** b", -2.0, 2.0)[1][1])


def test_float32_stays_float32(derivative):
    """Whatever literals and functions there are: within a few of its ulps of the derivative in float64."""
    for source in SOURCES:
        low, high = (UNARY | BINARY)[source][1]
        a, b = np.float32(RNG.uniform(low, high, 2))
        (value, grad), (exact, slopes) = derivative(source, a, b, np.float32), derivative(source, a, b)
        assert abs(value - exact) <= 3e-6 * max(1.0, abs(exact)), source
        assert np.all(abs(grad - slopes) <= 2e-5 * np.maximum(1.0, abs(slopes))), source


def test_values_are_those_of_the_plain_function(derivative):
    """To the bit: the value takes part in no arithmetic of its own."""
    plain = compiled([source.replace("np.clip(a, -1.0, 2.0)", "min(max(a, -1.0), 2.0)") for source in SOURCES])
    for k, source in enumerate(SOURCES):
        low, high = (UNARY | BINARY)[source][1]
        for a, b in RNG.uniform(low, high, (4, 2)):
            assert derivative(source, a, b)[0] == plain(np.array([a, b]), k, 5), source
