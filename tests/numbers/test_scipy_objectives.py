"""Objectives as SciPy writes them, in its tutorial and in its benchmarks, with ``@njit`` and no derivative.

Each is minimised from a point near the minimum that its source names. Where that is at a kink, or outside of what a
descent finds, its gradient alone is looked at.
"""

import numpy as np
import pytest
from numba import njit
from numpy import abs, arange, arctan2, asarray, cos, exp, log, pi, prod, sin, sqrt, sum

import fastopt

OBJECTIVES = []
HARTMANN_A = asarray([[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]])
HARTMANN_P = asarray(
    [[0.36890, 0.11700, 0.26730], [0.46990, 0.43870, 0.74700], [0.10910, 0.87320, 0.55470], [0.03815, 0.57430, 0.88280]]
)
HARTMANN_C = asarray([1.0, 1.2, 3.0, 3.2])
SHEKEL_A = asarray([[4.0] * 4, [1.0] * 4, [8.0] * 4, [6.0] * 4, [3.0, 7.0, 3.0, 7.0]])
SHEKEL_C = asarray([0.1, 0.2, 0.2, 0.4, 0.4])


def objective(x0, minimum=None, bounds=None):
    def keep(function):
        OBJECTIVES.append((njit(function), np.asarray(x0, dtype=float), minimum, bounds))
        return function

    return keep


@objective([1.3, 0.7, 0.8, 1.9, 1.2], 0.0)
def rosen(x):
    """The Rosenbrock function"""
    return sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


@objective([0.9, 1.2, 1.1], 0.0)
def rosen_of_scipy_optimize(x):
    x = asarray(x)
    return sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0, dtype=x.dtype)


@objective([500.0, 400.0])
def eggholder(x):
    return -(x[1] + 47) * np.sin(np.sqrt(abs(x[0] / 2 + (x[1] + 47)))) - x[0] * np.sin(np.sqrt(abs(x[0] - (x[1] + 47))))


@objective([-0.2, -0.1], -1.010876184442597)
def basinhopping_func2d(x):
    return np.cos(14.5 * x[0] - 0.3) + (x[1] + 0.2) * x[1] + (x[0] + 0.2) * x[0]


@objective([0.3, 0.2])
def ackley01(x):
    u = sum(x**2)
    v = sum(cos(2 * pi * x))
    return -20.0 * exp(-0.2 * sqrt(u / x.size)) - exp(v / x.size) + 20.0 + exp(1.0)


@objective([1.5, 0.2], -2.0218067833, [(-1, 2), (-1, 1)])
def adjiman(x):
    return cos(x[0]) * sin(x[1]) - x[0] / (x[1] ** 2 + 1)


@objective([1.0, 2.0, -3.0])
def alpine01(x):
    return sum(abs(x * sin(x) + 0.1 * x))


@objective([2.5, 0.3], 0.0)
def beale(x):
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2 + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2 + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


@objective([0.1, 0.1], 0.0)
def bohachevsky1(x):
    return x[0] ** 2 + 2 * x[1] ** 2 - 0.3 * cos(3 * pi * x[0]) - 0.4 * cos(4 * pi * x[1]) + 0.7


@objective([0.0, 2.0], 0.0)
def booth(x):
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


@objective([3.0, 2.0], 0.39788735772973816)
def branin01(x):
    return (x[1] - (5.1 / (4 * pi**2)) * x[0] ** 2 + 5 * x[0] / pi - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10


@objective([-9.0, -9.5], 0.0)
def brent(x):
    return (x[0] + 10) ** 2 + (x[1] + 10) ** 2 + exp(-(x[0] ** 2) - x[1] ** 2)


@objective([0.5, -0.7, 0.6], 0.0)
def brown(x):
    x0 = x[:-1]
    x1 = x[1:]
    return sum((x0**2.0) ** (x1**2.0 + 1.0) + (x1**2.0) ** (x0**2.0 + 1.0))


@objective([6.1, 0.4], -42.94438701899098)
def chichinadze(x):
    return (
        x[0] ** 2
        - 12 * x[0]
        + 11
        + 10 * cos(pi * x[0] / 2)
        + 8 * sin(5 * pi * x[0] / 2)
        - 1.0 / sqrt(5) * exp(-((x[1] - 0.5) ** 2) / 2)
    )


@objective([0.2, -0.3])
def cosine_mixture(x):
    return -0.1 * sum(cos(5.0 * pi * x)) - sum(x**2.0)


@objective([0.4, -0.3])
def csendes(x):
    return sum((x**6.0) * (2.0 + sin(1.0 / x)))


@objective([0.9, 0.8, 0.7], 0.0)
def dixon_price(x):
    i = arange(2, x.size + 1)
    s = i * (2.0 * x[1:] ** 2.0 - x[:-1]) ** 2.0
    return sum(s) + (x[0] - 1.0) ** 2.0


@objective([3.0, 3.4], -1.0)
def easom(x):
    a = (x[0] - pi) ** 2 + (x[1] - pi) ** 2
    return -cos(x[0]) * cos(x[1]) * exp(-a)


@objective([0.3, -0.4], -1.0)
def exponential(x):
    return -exp(-0.5 * sum(x**2.0))


@objective([4.5, 4.2], 0.0)
def freudenstein_roth(x):
    f1 = (-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1]) ** 2
    f2 = (-29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]) ** 2
    return f1 + f2


@objective([0.1, -0.9], 3.0)
def goldstein_price(x):
    a = 1 + (x[0] + x[1] + 1) ** 2 * (19 - 14 * x[0] + 3 * x[0] ** 2 - 14 * x[1] + 6 * x[0] * x[1] + 3 * x[1] ** 2)
    b = 30 + (2 * x[0] - 3 * x[1]) ** 2 * (
        18 - 32 * x[0] + 12 * x[0] ** 2 + 48 * x[1] - 36 * x[0] * x[1] + 27 * x[1] ** 2
    )
    return a * b


@objective([0.5, -0.6, 0.4], 0.0)
def griewank(x):
    i = arange(1.0, np.size(x) + 1.0)
    return sum(x**2 / 4000) - prod(cos(x / sqrt(i))) + 1


@objective([0.2, 0.5, 0.8], -3.8627821478)
def hartmann3(x):
    d = sum(HARTMANN_A * (x - HARTMANN_P) ** 2, axis=1)
    return -sum(HARTMANN_C * exp(-d))


@objective([0.9, 0.2, 0.1], 0.0)
def helical_valley(x):
    r = sqrt(x[0] ** 2 + x[1] ** 2)
    theta = 1 / (2.0 * pi) * arctan2(x[1], x[0])
    return x[2] ** 2 + 100 * ((x[2] - 10 * theta) ** 2 + (r - 1) ** 2)


@objective([2.5, 1.5], 0.0)
def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


@objective([3.8, 1.8], -2.3458115761)
def hosaki(x):
    val = 1 - 8 * x[0] + 7 * x[0] ** 2 - 7 / 3.0 * x[0] ** 3 + 0.25 * x[0] ** 4
    return val * x[1] ** 2 * exp(-x[1])


@objective([7.0, 3.0])
def keane(x):
    val = sin(x[0] - x[1]) ** 2 * sin(x[0] + x[1]) ** 2
    return val / sqrt(x[0] ** 2 + x[1] ** 2)


@objective([0.8, 1.1, 1.2], 0.0)
def levy03(x):
    y = 1 + (x - 1) / 4
    v = sum((y[:-1] - 1) ** 2 * (1 + 10 * sin(pi * y[1:]) ** 2))
    z = (y[-1] - 1) ** 2
    return sin(pi * y[0]) ** 2 + v + z


@objective([-0.4, -1.4], -1.913222954981037)
def mccormick(x):
    return sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1


@objective([2.2, 1.55], -1.8013034101)
def michalewicz(x):
    m = 10.0
    i = arange(1, x.size + 1)
    return -sum(sin(x) * sin(i * x**2 / pi) ** (2 * m))


@objective([9.3] * 10, -45.7784684040686)
def paviani(x):
    return sum(log(x - 2) ** 2.0 + log(10.0 - x) ** 2.0) - prod(x) ** 0.2


@objective([0.4, -0.04, 0.1, 0.3])
def powell(x):
    return (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2 + (x[1] - 2 * x[2]) ** 4 + 10 * (x[0] - x[3]) ** 4


@objective([1.0, -2.2])
def quintic(x):
    return sum(abs(x**5 - 3 * x**4 + 4 * x**3 + 2 * x**2 - 10 * x - 4))


@objective([0.1, -0.2, 0.1], 0.0)
def rastrigin(x):
    return 10.0 * x.size + sum(x**2.0 - 10.0 * cos(2.0 * pi * x))


@objective([0.3, 0.4])
def salomon(x):
    u = sqrt(sum(x**2))
    return 1 - cos(2 * pi * u) + 0.1 * u


@objective([4.2, 3.9, 4.1, 3.8], -10.15319967905823)
def shekel05(x):
    f = 0.0
    for i in range(5):
        f -= 1.0 / (sum((x - SHEKEL_A[i]) ** 2.0) + SHEKEL_C[i])
    return f


@objective([0.1, -0.7], -1.031628453489877)
def six_hump_camel(x):
    return (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + (4 * x[1] ** 2 - 4) * x[1] ** 2


@objective([-2.5, -3.0], -78.33233140754282)
def styblinski_tang(x):
    return sum(x**4 - 16 * x**2 + 5 * x) / 2


@objective([5.0, 9.0, 11.0, 11.0, 9.0, 5.0], -50.0)
def trid(x):
    return sum((x - 1.0) ** 2.0) - sum(x[1:] * x[:-1])


@objective([0.1, 0.1, 0.15], 0.0)
def trigonometric01(x):
    i = arange(1.0, x.size + 1).reshape(-1, 1)
    inner = cos(x) + i * (1 - cos(x) - sin(x))
    return sum((x.size - sum(inner, axis=1)) ** 2)


@objective([0.3, 0.4, 0.5])
def wolfe(x):
    return 4 / 3 * (x[0] ** 2 + x[1] ** 2 - x[0] * x[1]) ** 0.75 + x[2]


@objective([0.3, -0.4, 0.2], 0.0)
def zakharov(x):
    i = arange(1, x.size + 1)
    u = sum(x**2)
    v = sum(0.5 * i * x)
    return u + v**2 + v**4


@objective([0.1, 0.1], -0.003791237220468656)
def zettl(x):
    return (x[0] ** 2 + x[1] ** 2 - 2 * x[0]) ** 2 + 0.25 * x[0]


WITH_MINIMUM = [each for each in OBJECTIVES if each[2] is not None]
OTHERS = [each for each in OBJECTIVES if each[2] is None]


def name(case):
    return case[0].__name__ if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", WITH_MINIMUM, ids=name)
def test_minimum(case):
    fun, x0, minimum, bounds = case
    found = fastopt.minimize(fun, x0, options={"maxiter": 40_000}, bounds=bounds)
    assert found.fun == pytest.approx(minimum, abs=2e-5 * max(1.0, np.abs(minimum)))
    assert found.nfev < 45_000  # one each, and none for differences


@pytest.fixture(scope="module")
def gradients():
    """All the other gradients in one function, compiled once."""
    cases = [f"    if k == {k}:\n        return f{k}(x)" for k in range(len(OTHERS))]
    names = {f"f{k}": fun for k, (fun, *_) in enumerate(OTHERS)}
    exec("def every(x, k):\n" + "\n".join(cases) + "\n    return 0.0 * x[0]", names)
    return fastopt.value_and_grad(njit(names["every"]))


def by_differences(fun, x):
    weights = {1: 0.8, 2: -0.2, 3: 4 / 105, 4: -1 / 280}
    steps = 1e-3 * np.eye(x.size)
    return np.array([sum([w * (fun(x + k * h) - fun(x - k * h)) for k, w in weights.items()]) for h in steps]) / 1e-3


@pytest.mark.parametrize("k", range(len(OTHERS)), ids=map(name, OTHERS))
def test_gradient(gradients, k):
    fun, x, *_ = OTHERS[k]
    grad = np.empty_like(x)
    assert gradients(x, grad, k) == pytest.approx(fun.py_func(x), rel=1e-13)
    expected = by_differences(fun.py_func, x)
    np.testing.assert_allclose(grad, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())
