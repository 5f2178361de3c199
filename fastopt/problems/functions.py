"""Classic test functions as data: the function with its gradient, where to start, and the known minimum.

With several minima, ``x0`` lies in the basin of ``x_star``, a global one (but see rosenbrock).
The functions are defined everywhere; the domain is where they are usually searched.

Sources: the papers named at each function, and three collections. [MGH] Moré, Garbow, Hillstrom, Testing
unconstrained optimization software, ACM TOMS 7 (1981) 17–41. [JY] Jamil, Yang, A literature survey
of benchmark functions for global optimization problems, Int. J. Math. Model. Numer. Optim. 4 (2013) 150–194.
[SB] Surjanovic, Bingham, Virtual library of simulation experiments, https://www.sfu.ca/~ssurjano/.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Problem:
    """A function, its gradient, a starting point and the minimum.

    ``fun_and_grad(x, grad) -> float`` writes the gradient into ``grad``. It is plain Python that
    ``numba.njit`` compiles as it is. The arrays are float64 and read-only: copy ``x0`` to step it in place.

    >>> problem = rosenbrock()
    >>> print(problem.fun(problem.x_star), problem.jac(problem.x_star))
    0.0 [0. 0.]
    """

    name: str
    fun_and_grad: Callable[[np.ndarray, np.ndarray], float]
    x0: np.ndarray
    x_star: np.ndarray
    f_star: float

    def fun(self, x):
        """The value at x, as SciPy wants it."""
        x = np.asarray(x, dtype=np.float64)
        return float(self.fun_and_grad(x, np.empty_like(x)))

    def jac(self, x):
        """The gradient at x, a new array, as SciPy wants it."""
        x = np.asarray(x, dtype=np.float64)
        grad = np.empty_like(x)
        self.fun_and_grad(x, grad)
        return grad


def _problem(name, fun_and_grad, x0, x_star, f_star=0.0, least_d=1):
    if len(x0) < least_d:
        raise ValueError(f"d must be at least {least_d}, got {len(x0)}")
    x0, x_star = np.array(x0, dtype=np.float64), np.array(x_star, dtype=np.float64)
    x0.flags.writeable = x_star.flags.writeable = False
    return Problem(name, fun_and_grad, x0, x_star, f_star)


def quadratic(d=10, condition=100.0, seed=0):
    """½(x − c)ᵀA(x − c), A = QΛQᵀ with a random rotation Q and eigenvalues spaced evenly on a log scale from
    1 to ``condition``; c is standard normal. Convex, d ≥ 2. Compiled code holds A and c as constants."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    A = rotation * np.geomspace(1.0, condition, d) @ rotation.T
    c = rng.standard_normal(d)

    def fun_and_grad(x, grad):
        value = 0.0
        for i in range(len(x)):
            grad[i] = 0.0
            for j in range(len(x)):
                grad[i] += A[i, j] * (x[j] - c[j])
            value += 0.5 * grad[i] * (x[i] - c[i])
        return value

    return _problem("quadratic", fun_and_grad, np.zeros(d), c, least_d=2)


def sphere(d=2):
    """Σxᵢ². Convex; domain [−5.12, 5.12]ᵈ. Source: [SB]."""

    def fun_and_grad(x, grad):
        value = 0.0
        for i in range(len(x)):
            value += x[i] ** 2
            grad[i] = 2 * x[i]
        return value

    return _problem("sphere", fun_and_grad, np.linspace(1, 3, d), np.zeros(d))


def rosenbrock(d=2):
    """Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)² over i < d, d ≥ 2, the chained form of ``scipy.optimize.rosen``.
    Domain [−5, 10]ᵈ. From d = 4 on there is a second minimum near (−1, 1, …, 1), where a descent from the
    usual x0 = (−1.2, 1, −1.2, 1, …) may end. Source: Rosenbrock, Comput. J. 3 (1960) 175–184; [MGH] 1."""

    def fun_and_grad(x, grad):
        value = 0.0
        grad[0] = 0.0
        for i in range(len(x) - 1):
            valley, rest = x[i + 1] - x[i] ** 2, 1 - x[i]
            value += 100 * valley**2 + rest**2
            grad[i] -= 400 * x[i] * valley + 2 * rest
            grad[i + 1] = 200 * valley
        return value

    return _problem("rosenbrock", fun_and_grad, np.where(np.arange(d) % 2, 1.0, -1.2), np.ones(d), least_d=2)


def ackley(d=2):
    """20(1 − exp(−r/5)) + e − exp(Σcos(2πxᵢ)/d), r = √(Σxᵢ²/d); domain [−32.768, 32.768]ᵈ.
    Many minima, near the integer points. At x* = 0 it has a kink, where the gradient is defined as 0.
    Source: Ackley, A connectionist machine for genetic hillclimbing, Kluwer 1987."""

    def fun_and_grad(x, grad):
        n = len(x)
        squares = cosines = 0.0
        for i in range(n):
            squares += x[i] ** 2
            cosines += math.cos(2 * math.pi * x[i])
        r = math.sqrt(squares / n)
        bowl, waves = math.exp(-r / 5), math.exp(cosines / n)
        slope = 4 * bowl / r if r > 0 else 0.0
        for i in range(n):
            grad[i] = (slope * x[i] + 2 * math.pi * waves * math.sin(2 * math.pi * x[i])) / n
        return 20 * (1 - bowl) + (math.e - waves)

    return _problem("ackley", fun_and_grad, np.linspace(0.3, -0.2, d), np.zeros(d))


def styblinski_tang(d=2):
    """½Σ(xᵢ⁴ − 16xᵢ² + 5xᵢ); domain [−5, 5]ᵈ; 2ᵈ minima, of which the one with all xᵢ < 0 is global.
    Source: Styblinski, Tang, Neural Networks 3 (1990) 467–483."""

    def fun_and_grad(x, grad):
        value = 0.0
        for i in range(len(x)):
            value += 0.5 * (x[i] ** 4 - 16 * x[i] ** 2 + 5 * x[i])
            grad[i] = 2 * x[i] ** 3 - 16 * x[i] + 2.5
        return value

    x_star, f_star = -2.903534027771177, -39.166165703771415 * d  # the least root of the derivative
    return _problem("styblinski_tang", fun_and_grad, np.linspace(-1, -2, d), np.full(d, x_star), f_star)


def booth():
    """(x + 2y − 7)² + (2x + y − 5)²; convex; domain [−10, 10]². Source: [JY]."""

    def fun_and_grad(x, grad):
        a, b = x[0] + 2 * x[1] - 7, 2 * x[0] + x[1] - 5
        grad[0] = 2 * a + 4 * b
        grad[1] = 4 * a + 2 * b
        return a**2 + b**2

    return _problem("booth", fun_and_grad, (-5, 8), (1, 3))


def beale():
    """Σ (cₖ − x(1 − yᵏ))² for k = 1, 2, 3, c = (1.5, 2.25, 2.625); domain [−4.5, 4.5]². Source: [MGH] 5."""

    def fun_and_grad(x, grad):
        y = x[1]
        a, b, c = 1.5 - x[0] * (1 - y), 2.25 - x[0] * (1 - y**2), 2.625 - x[0] * (1 - y**3)
        grad[0] = -2 * (a * (1 - y) + b * (1 - y**2) + c * (1 - y**3))
        grad[1] = 2 * x[0] * (a + 2 * b * y + 3 * c * y**2)
        return a**2 + b**2 + c**2

    return _problem("beale", fun_and_grad, (1, 1), (3, 0.5))


def matyas():
    """0.26(x² + y²) − 0.48xy; convex, condition number 25; domain [−10, 10]². Source: [JY]."""

    def fun_and_grad(x, grad):
        grad[0] = 0.52 * x[0] - 0.48 * x[1]
        grad[1] = 0.52 * x[1] - 0.48 * x[0]
        return 0.5 * (x[0] * grad[0] + x[1] * grad[1])

    return _problem("matyas", fun_and_grad, (5, -3), (0, 0))


def himmelblau():
    """(x² + y − 11)² + (x + y² − 7)²; domain [−5, 5]²; four minima, all 0, of which x* = (3, 2).
    Source: Himmelblau, Applied nonlinear programming, McGraw-Hill 1972."""

    def fun_and_grad(x, grad):
        a, b = x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7
        grad[0] = 4 * x[0] * a + 2 * b
        grad[1] = 2 * a + 4 * x[1] * b
        return a**2 + b**2

    return _problem("himmelblau", fun_and_grad, (1, 1), (3, 2))


def levy13():
    """sin²(3πx) + (x − 1)²(1 + sin²(3πy)) + (y − 1)²(1 + sin²(2πy)); many minima. Source: [SB]."""

    def fun_and_grad(x, grad):
        a, b, w = x[0] - 1, x[1] - 1, math.pi
        p, q = 1 + math.sin(3 * w * x[1]) ** 2, 1 + math.sin(2 * w * x[1]) ** 2
        grad[0] = 3 * w * math.sin(6 * w * x[0]) + 2 * a * p
        grad[1] = 3 * w * a**2 * math.sin(6 * w * x[1]) + 2 * b * q + 2 * w * b**2 * math.sin(4 * w * x[1])
        return math.sin(3 * w * x[0]) ** 2 + a**2 * p + b**2 * q

    return _problem("levy13", fun_and_grad, (1.1, 0.8), (1, 1))


def goldstein_price():
    """(1 + s²(36 − 20s + 3s²))·(30 + t²(18 − 16t + 3t²)), s = x + y + 1, t = 2x − 3y; domain [−2, 2]².
    Four minima. Source: Goldstein, Price, Math. Comp. 25 (1971) 569–574, there multiplied out in x and y."""

    def fun_and_grad(x, grad):
        s, t = x[0] + x[1] + 1, 2 * x[0] - 3 * x[1]
        a, b = 1 + s**2 * (36 - 20 * s + 3 * s**2), 30 + t**2 * (18 - 16 * t + 3 * t**2)
        along_s, along_t = 12 * s * (s - 2) * (s - 3) * b, 12 * t * (t - 1) * (t - 3) * a
        grad[0] = along_s + 2 * along_t
        grad[1] = along_s - 3 * along_t
        return a * b

    return _problem("goldstein_price", fun_and_grad, (0.2, -0.9), (0, -1), 3.0)


def mccormick():
    """sin(x + y) + (x − y)² − 1.5x + 2.5y + 1; domain [−1.5, 4] × [−3, 4], outside which it goes lower.
    Source: [JY]."""

    def fun_and_grad(x, grad):
        s, t = x[0] + x[1], x[0] - x[1]
        grad[0] = math.cos(s) + 2 * t - 1.5
        grad[1] = math.cos(s) - 2 * t + 2.5
        return math.sin(s) + t**2 - 1.5 * x[0] + 2.5 * x[1] + 1

    x_star = (0.5 - math.pi / 3, -0.5 - math.pi / 3)
    return _problem("mccormick", fun_and_grad, (0, 0), x_star, -math.sqrt(3) / 2 - math.pi / 3)


def three_hump_camel():
    """2x² − 1.05x⁴ + x⁶/6 + xy + y²; domain [−5, 5]²; three minima. Source: [JY]."""

    def fun_and_grad(x, grad):
        u, v = x[0], x[1]
        grad[0] = 4 * u - 4.2 * u**3 + u**5 + v
        grad[1] = u + 2 * v
        return 2 * u**2 - 1.05 * u**4 + u**6 / 6 + u * v + v**2

    return _problem("three_hump_camel", fun_and_grad, (0.5, -1), (0, 0))


_ANY_D = (quadratic, sphere, rosenbrock, ackley, styblinski_tang)
_IN_THE_PLANE = (booth, beale, matyas, himmelblau, levy13, goldstein_price, mccormick, three_hump_camel)
CLASSICS = tuple(make() for make in _ANY_D + _IN_THE_PLANE)
