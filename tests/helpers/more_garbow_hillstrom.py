"""The problems of Moré, Garbow and Hillstrom, Testing unconstrained optimization software, ACM TOMS 7 (1981) 17–41.

All but three, which `fastopt.problems` has: Rosenbrock's (1), his extended one (21) and Beale's (5). A function is the
residual fᵢ of x, i from 1 to m, as the paper writes it; the value is Σfᵢ². Where the paper leaves n free it is 10 (12
where it must be a multiple of 4, Watson's 6, the first it has a minimum for), and m is twice that for linear functions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Residuals with a starting point; ``minima`` are the values that the paper gives of finite x, the least first."""

    number: int
    name: str
    residual: Callable
    m: int
    x0: np.ndarray
    minima: tuple

    def residuals(self, x):
        return np.array([self.residual(x, i) for i in range(1, self.m + 1)])

    def compiled(self):
        """A Numba function of x that returns the value."""
        residual, m = njit(self.residual), self.m

        @njit
        def fun(x):
            value = 0.0
            for i in range(1, m + 1):
                value += residual(x, i) ** 2
            return value

        return fun


PROBLEMS: list[LeastSquares] = []


def problem(number, m, x0, *minima):
    """Enter a residual into the list."""

    def enter(residual):
        name = residual.__name__
        PROBLEMS.append(LeastSquares(number, name, residual, m, np.array(x0, dtype=np.float64), minima))
        return residual

    return enter


@problem(2, 2, (0.5, -2), 0, 48.984253679)
def freudenstein_roth(x, i):
    return -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1] if i == 1 else -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]


@problem(3, 2, (0, 1), 0)
def powell_badly_scaled(x, i):
    return 1e4 * x[0] * x[1] - 1 if i == 1 else math.exp(-x[0]) + math.exp(-x[1]) - 1.0001


@problem(4, 3, (1, 1), 0)
def brown_badly_scaled(x, i):
    return x[0] - 1e6 if i == 1 else x[1] - 2e-6 if i == 2 else x[0] * x[1] - 2


@problem(6, 10, (0.3, 0.4), 124.362182355)
def jennrich_sampson(x, i):
    return 2 + 2 * i - (math.exp(i * x[0]) + math.exp(i * x[1]))


@problem(7, 3, (-1, 0, 0), 0)
def helical_valley(x, i):
    if i == 1:
        turn = math.atan(x[1] / x[0]) / (2 * math.pi)
        return 10 * (x[2] - 10 * (turn if x[0] > 0 else turn + 0.5))
    return 10 * (math.sqrt(x[0] ** 2 + x[1] ** 2) - 1) if i == 2 else x[2]


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


@problem(8, 15, (1, 1, 1), 8.21487730658e-3)
def bard(x, i):
    return BARD[i - 1] - (x[0] + i / ((16 - i) * x[1] + min(i, 16 - i) * x[2]))


GAUSSIAN = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])  # and back again


@problem(9, 15, (0.4, 1, 0), 1.12793276962e-8)
def gaussian(x, i):
    return x[0] * math.exp(-x[1] * ((8 - i) / 2 - x[2]) ** 2 / 2) - GAUSSIAN[min(i, 16 - i) - 1]


MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]
)


@problem(10, 16, (0.02, 4000, 250), 87.9458551709)
def meyer(x, i):
    return x[0] * math.exp(x[1] / (45 + 5 * i + x[2])) - MEYER[i - 1]


@problem(11, 99, (5, 2.5, 0.15), 0)
def gulf(x, i):
    t = i / 100
    return math.exp(-(abs(25 + (-50 * math.log(t)) ** (2 / 3) - x[1]) ** x[2]) / x[0]) - t


@problem(12, 10, (0, 10, 20), 0)
def box(x, i):
    t = i / 10
    return math.exp(-t * x[0]) - math.exp(-t * x[1]) - x[2] * (math.exp(-t) - math.exp(-10 * t))


@problem(13, 4, (3, -1, 0, 1), 0)
def powell_singular(x, i):
    if i == 1:
        return x[0] + 10 * x[1]
    if i == 2:
        return math.sqrt(5) * (x[2] - x[3])
    return (x[1] - 2 * x[2]) ** 2 if i == 3 else math.sqrt(10) * (x[0] - x[3]) ** 2


@problem(14, 6, (-3, -1, -3, -1), 0)
def wood(x, i):
    if i == 1:
        return 10 * (x[1] - x[0] ** 2)
    if i == 3:
        return math.sqrt(90) * (x[3] - x[2] ** 2)
    if i < 5:
        return 1 - x[i - 2]
    return math.sqrt(10) * (x[1] + x[3] - 2) if i == 5 else (x[1] - x[3]) / math.sqrt(10)


KOWALIK = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
OSBORNE = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


@problem(15, 11, (0.25, 0.39, 0.415, 0.39), 3.07505603849e-4)
def kowalik_osborne(x, i):
    u = OSBORNE[i - 1]
    return KOWALIK[i - 1] - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


@problem(16, 20, (25, 5, -5, -1), 85822.2016264)
def brown_dennis(x, i):
    t = i / 5
    return (x[0] + t * x[1] - math.exp(t)) ** 2 + (x[2] + x[3] * math.sin(t) - math.cos(t)) ** 2


OSBORNE_1 = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603,
    0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
    0.406,
])  # fmt: skip


@problem(17, 33, (0.5, 1.5, -1, 0.01, 0.02), 5.46489469748e-5)
def osborne_1(x, i):
    t = 10 * (i - 1)
    return OSBORNE_1[i - 1] - (x[0] + x[1] * math.exp(-t * x[3]) + x[2] * math.exp(-t * x[4]))


@problem(18, 13, (1, 2, 1, 1, 1, 1), 0, 5.65564992551e-3)
def biggs(x, i):
    t = i / 10
    y = math.exp(-t) - 5 * math.exp(-10 * t) + 3 * math.exp(-4 * t)
    return x[2] * math.exp(-t * x[0]) - x[3] * math.exp(-t * x[1]) + x[5] * math.exp(-t * x[4]) - y


OSBORNE_2 = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616, 0.606,
    0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423,
    0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668,
    0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098,
    0.054,
])  # fmt: skip


@problem(19, 65, (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5), 4.01377362935e-2)
def osborne_2(x, i):
    t = (i - 1) / 10
    value = x[0] * math.exp(-t * x[4])
    for k in range(1, 4):
        value += x[k] * math.exp(-((t - x[k + 7]) ** 2) * x[k + 4])
    return OSBORNE_2[i - 1] - value


@problem(20, 31, np.zeros(6), 2.28767005355e-3)
def watson(x, i):
    if i > 29:
        return x[0] if i == 30 else x[1] - x[0] ** 2 - 1
    value, slope, power = x[0], x[1], 1.0
    for j in range(1, len(x)):
        slope = slope + j * power * x[j] if j > 1 else slope
        power *= i / 29
        value += power * x[j]
    return slope - value**2 - 1


@problem(22, 12, (3, -1, 0, 1) * 3, 0)
def extended_powell_singular(x, i):
    k = 4 * ((i - 1) // 4)
    if i == k + 1:
        return x[k] + 10 * x[k + 1]
    if i == k + 2:
        return math.sqrt(5) * (x[k + 2] - x[k + 3])
    return (x[k + 1] - 2 * x[k + 2]) ** 2 if i == k + 3 else math.sqrt(10) * (x[k] - x[k + 3]) ** 2


@problem(23, 11, range(1, 11), 7.08765146709e-5)
def penalty_1(x, i):
    return math.sqrt(1e-5) * (x[i - 1] - 1) if i < 11 else np.sum(x**2) - 0.25


@problem(24, 20, np.full(10, 0.5), 2.93660537454e-4)
def penalty_2(x, i):
    if i == 1:
        return x[0] - 0.2
    if i <= 10:
        y = math.exp(i / 10) + math.exp((i - 1) / 10)
        return math.sqrt(1e-5) * (math.exp(x[i - 1] / 10) + math.exp(x[i - 2] / 10) - y)
    if i < 20:
        return math.sqrt(1e-5) * (math.exp(x[i - 10] / 10) - math.exp(-1 / 10))
    value = -1.0
    for j in range(10):
        value += (10 - j) * x[j] ** 2
    return value


@problem(25, 12, 1 - np.arange(1, 11) / 10, 0)
def variably_dimensioned(x, i):
    if i <= 10:
        return x[i - 1] - 1
    value = 0.0
    for j in range(10):
        value += (j + 1) * (x[j] - 1)
    return value if i == 11 else value**2


@problem(26, 10, np.full(10, 0.1), 0, 2.79506121876e-5)
def trigonometric(x, i):
    value = 10 + i * (1 - math.cos(x[i - 1])) - math.sin(x[i - 1])
    for j in range(10):
        value -= math.cos(x[j])
    return value


@problem(27, 10, np.full(10, 0.5), 0, 1)
def brown_almost_linear(x, i):
    total, product = -11.0, 1.0
    for j in range(10):
        total += x[j]
        product *= x[j]
    return product - 1 if i == 10 else total + x[i - 1]


GRID = np.arange(12) / 11


@problem(28, 10, GRID[1:11] * (GRID[1:11] - 1), 0)
def discrete_boundary_value(x, i):
    value = 2 * x[i - 1] + (x[i - 1] + GRID[i] + 1) ** 3 / (2 * 11**2)
    if i > 1:
        value -= x[i - 2]
    return value - x[i] if i < 10 else value


@problem(29, 10, GRID[1:11] * (GRID[1:11] - 1), 0)
def discrete_integral_equation(x, i):
    value = x[i - 1]
    for j in range(1, 11):
        weight = (1 - GRID[i]) * GRID[j] if j <= i else GRID[i] * (1 - GRID[j])
        value += weight * (x[j - 1] + GRID[j] + 1) ** 3 / (2 * 11)
    return value


@problem(30, 10, -np.ones(10), 0)
def broyden_tridiagonal(x, i):
    value = (3 - 2 * x[i - 1]) * x[i - 1] + 1
    if i > 1:
        value -= x[i - 2]
    return value - 2 * x[i] if i < 10 else value


@problem(31, 10, -np.ones(10), 0)
def broyden_banded(x, i):
    value = x[i - 1] * (2 + 5 * x[i - 1] ** 2) + 1
    for j in range(max(1, i - 5), min(10, i + 1) + 1):
        if j != i:
            value -= x[j - 1] * (1 + x[j - 1])
    return value


@problem(32, 20, np.ones(10), 10)
def linear_full_rank(x, i):
    value = -2 / 20 * np.sum(x) - 1
    return value + x[i - 1] if i <= 10 else value


@problem(33, 20, np.ones(10), 20 * 19 / (2 * 41))
def linear_rank_1(x, i):
    value = 0.0
    for j in range(10):
        value += (j + 1) * x[j]
    return i * value - 1


@problem(34, 20, np.ones(10), (20**2 + 3 * 20 - 6) / (2 * 37))
def linear_rank_1_zero_columns_and_rows(x, i):
    value = 0.0
    for j in range(1, 9):
        value += (j + 1) * x[j]
    return (i - 1 if i < 20 else 0) * value - 1


@problem(35, 10, np.arange(1, 11) / 11, 6.50395480148e-3)
def chebyquad(x, i):
    value = 0.0 if i % 2 else 1 / (i**2 - 1)
    for j in range(10):
        before, now = 1.0, 2 * x[j] - 1
        for _ in range(i - 1):
            before, now = now, 2 * (2 * x[j] - 1) * now - before
        value += now / 10
    return value
