"""minimize against SciPy's minima of many smooth problems, closed forms, and NIST's certified values."""

import numpy as np
import pytest
import scipy.optimize
from numba import njit
from test_minima import linear, logistic, poisson, ridge, softmax

import fastopt
from fastopt import problems, schedules


@njit
def form(x, grad, A, c):
    """½(x − c)ᵀA(x − c)"""
    f = 0.0
    for i in range(x.size):
        grad[i] = 0.0
        for j in range(x.size):
            grad[i] += A[i, j] * (x[j] - c[j])
        f += 0.5 * grad[i] * (x[i] - c[i])
    return f


@njit
def log_sum_exp(x, grad, A, c):
    """log Σᵢ exp(Aᵢ·x + cᵢ), whose rows surround 0."""
    z = np.empty(A.shape[0])
    for i in range(A.shape[0]):
        z[i] = c[i]
        for j in range(x.size):
            z[i] += A[i, j] * x[j]
    top = z.max()
    z[:] = np.exp(z - top)
    total = z.sum()
    for j in range(x.size):
        grad[j] = 0.0
        for i in range(A.shape[0]):
            grad[j] += A[i, j] * z[i] / total
    return top + np.log(total)


@njit
def exponential(x, grad, t, y):
    """½Σ(x₀·exp(−x₁t) + x₂ − y)²"""
    f = 0.0
    grad[:] = 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])
        r = x[0] * e + x[2] - y[j]
        f += 0.5 * r * r
        grad[0] += r * e
        grad[1] -= r * x[0] * t[j] * e
        grad[2] += r
    return f


def spd(d, condition):
    """A matrix with eigenvalues from 1 to condition, and a centre."""
    rng = np.random.default_rng(d)
    Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return Q * np.geomspace(1, condition, d) @ Q.T, rng.normal(size=d)


def quadratic(d, condition):
    return (form, spd(d, condition), np.zeros(d))


def random_rows(fun, n, d):
    rng = np.random.default_rng(n)
    return (fun, (rng.normal(size=(n, d)), rng.normal(size=n)), np.ones(d))


def classic(problem, x0=None):
    return (njit(problem.fun_and_grad), (), problem.x0 if x0 is None else x0)


def real(make):
    loss, (X, y), shape = make()
    if make is softmax:

        @njit
        def flat(x, grad, X, y):
            return loss(x.reshape(shape), grad.reshape(shape), X, y)

        return (flat, (X, y), np.zeros(shape[0] * shape[1]))
    return (loss, (X, y), np.zeros(shape))


def decay():
    t = np.linspace(0, 3, 40)
    return (exponential, (t, 2 * np.exp(-1.3 * t) + 0.5 + 0.1 * np.sin(7 * t)), np.array([1.0, 1.0, 0.0]))


SMOOTH = {p.name: p for p in problems.CLASSICS if p.name != "ackley"}  # it has a kink at its minimum

# name, setting, method, learning rate (falling to 0 along a cosine where the method is marked ~), iterations
TABLE = [
    ("classic quadratic", (classic, SMOOTH["quadratic"]), "momentum", 0.03, 400),
    ("sphere", (classic, SMOOTH["sphere"]), "amsgrad", 0.1, 300),
    ("rosenbrock", (classic, SMOOTH["rosenbrock"]), "momentum", 3e-3, 1500),
    ("styblinski-tang", (classic, SMOOTH["styblinski_tang"]), "adamax", 0.1, 300),
    ("booth", (classic, SMOOTH["booth"]), "gd", 0.1, 100),
    ("beale", (classic, SMOOTH["beale"]), "adam", 0.3, 1000),
    ("matyas", (classic, SMOOTH["matyas"]), "nesterov", 0.1, 300),
    ("himmelblau", (classic, SMOOTH["himmelblau"]), "adagrad", 1.0, 50),
    ("levy13", (classic, SMOOTH["levy13"]), "adam~", 0.03, 300),
    ("goldstein-price", (classic, SMOOTH["goldstein_price"]), "gd", 1e-3, 50),
    ("mccormick", (classic, SMOOTH["mccormick"]), "nadam~", 0.1, 300),
    ("three-hump camel", (classic, SMOOTH["three_hump_camel"]), "rmsprop~", 0.01, 500),
    ("rosenbrock 3", (classic, problems.rosenbrock(3), np.zeros(3)), "momentum", 1e-3, 3000),
    ("rosenbrock 10", (classic, problems.rosenbrock(10), np.zeros(10)), "adam~", 0.3, 1500),
    ("rosenbrock 50", (classic, problems.rosenbrock(50), np.zeros(50)), "adam", 3e-3, 3000),
    ("sphere 100", (classic, problems.sphere(100)), "lion~", 0.01, 3000),
    ("styblinski-tang 10", (classic, problems.styblinski_tang(10)), "nesterov", 0.03, 50),
    ("quadratic 2, condition 10", (quadratic, 2, 10), "gd", 0.1, 150),
    ("quadratic 5, condition 1000", (quadratic, 5, 1000), "adam", 0.3, 1500),
    ("quadratic 30, condition 10000", (quadratic, 30, 10000), "adam~", 0.3, 10_000),
    ("quadratic 50, condition 100", (quadratic, 50, 100), "nesterov", 0.01, 300),
    ("quadratic 200, condition 10", (quadratic, 200, 10), "radam~", 0.1, 1000),
    ("log-sum-exp", (random_rows, log_sum_exp, 60, 5), "nadam~", 0.1, 300),
    ("exponential fit", (decay,), "adam", 0.3, 1000),
    ("linear", (real, linear), "adam~", 0.3, 1000),
    ("ridge", (real, ridge), "momentum", 1e-3, 300),
    ("logistic", (real, logistic), "nesterov", 0.01, 300),
    ("poisson", (real, poisson), "momentum", 3e-4, 500),
    ("softmax", (real, softmax), "nesterov", 3e-3, 300),
]


def in_one(fun, args):
    def both(x):
        grad = np.empty_like(x)
        return fun(x, grad, *args), grad

    return both


@pytest.mark.parametrize("case", TABLE, ids=[row[0] for row in TABLE])
def test_reaches_scipys_minimum(case):
    _, (make, *given), method, lr, iterations = case
    fun, args, x0 = make(*given)
    tight = {"maxiter": 50_000, "maxfun": 100_000, "ftol": 1e-16, "gtol": 1e-10, "maxls": 50}
    f_star = scipy.optimize.minimize(in_one(fun, args), x0, jac=True, method="L-BFGS-B", options=tight).fun
    lr = schedules.cosine(lr, iterations) if method.endswith("~") else lr
    options = {"lr": lr, "maxiter": iterations, "gtol": 1e-6}
    res = fastopt.minimize(fun, x0, args, method.strip("~"), "inplace", options=options)
    gap = (res.fun - f_star) / max(1.0, abs(f_star))
    assert -1e-9 <= gap <= 1e-6
    assert res.nit <= iterations


def test_there_are_enough():
    assert len(TABLE) >= 25
    assert len(SMOOTH) == sum(row[1][0] is classic and row[1][1] in SMOOTH.values() for row in TABLE)


# ---------------------------------------------------------------- closed forms, on strongly convex quadratics

STEPS = (0, 1, 2, 10, 100, 300)


RECURRENCES = {
    # From a state of two errors along an eigenvector, of which the first is the iterate's, to the next; s = 1 − lr·λ.
    "gd": lambda s, mu: [[s, 0], [0, 0]],
    "momentum": lambda s, mu: [[s + mu, -mu], [1, 0]],  # Polyak's: the iterate and the one before
    "nesterov": lambda s, mu: [[(1 + mu) * s, -mu], [s, 0]],  # where it looks ahead, and where it is
}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
@pytest.mark.parametrize("method", RECURRENCES)
def test_iterates_are_the_closed_form(method, compiled):
    A, c = spd(6, 50)
    values, vectors = np.linalg.eigh(A)
    lr, mu, start = 0.02, 0.8, -vectors.T @ c
    fun = form if compiled else getattr(form, "py_func", form)
    options = {"lr": lr, "gtol": 0.0} | ({} if method == "gd" else {"momentum": mu})
    for k in STEPS:
        res = fastopt.minimize(fun, np.zeros(6), (A, c), method, "inplace", options=options | {"maxiter": k})
        assert res.nit == k
        powers = [np.linalg.matrix_power(RECURRENCES[method](1 - lr * v, mu), k) @ [1, 1] for v in values]
        expected = [power[0] * e for power, e in zip(powers, start)]
        np.testing.assert_allclose(vectors.T @ (res.x - c), expected, rtol=0, atol=1e-12 * abs(start).max())


# ---------------------------------------------------------------- NIST's Statistical Reference Datasets, nonlinear


@njit
def misra1a(x, grad, b, t, y):
    """Σ(y − β₁(1 − exp(−β₂t)))², β = x·b"""
    f = 0.0
    grad[:] = 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * b[1] * t[j])
        r = x[0] * b[0] * (1 - e) - y[j]
        f += r * r
        grad[0] += 2 * r * b[0] * (1 - e)
        grad[1] += 2 * r * x[0] * b[0] * e * b[1] * t[j]
    return f


@njit
def danwood(x, grad, b, t, y):
    """Σ(y − β₁t^β₂)², β = x·b"""
    f = 0.0
    grad[:] = 0.0
    for j in range(t.size):
        e = t[j] ** (x[1] * b[1])
        r = x[0] * b[0] * e - y[j]
        f += r * r
        grad[0] += 2 * r * b[0] * e
        grad[1] += 2 * r * x[0] * b[0] * e * np.log(t[j]) * b[1]
    return f


# data (t, y), certified parameters, certified residual sum of squares, NIST's second start
NIST = {
    misra1a: (
        [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
        [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
        (2.3894212918e02, 5.5015643181e-04), 1.2455138894e-01, (250.0, 5e-4),
    ),
    danwood: (
        [1.309, 1.471, 1.490, 1.565, 1.611, 1.680],
        [2.138, 3.421, 3.597, 4.340, 4.882, 5.660],
        (7.6886226176e-01, 3.8604055871e00), 4.3173084083e-03, (0.7, 4.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fun", "lr", "iterations"), [(misra1a, 0.03, 3000), (danwood, 0.01, 1000)])
def test_nist_certified_values(fun, lr, iterations):
    """The certified parameters have the certified sum and are stationary; they are found from NIST's second start.

    The parameters are divided by the certified ones. The other sets are too ill-conditioned for first-order methods.
    """
    t, y, certified, sum_of_squares, start = (np.array(a) for a in NIST[fun])
    grad, args = np.empty(2), (certified, t, y)
    assert fun(np.ones(2), grad, *args) == pytest.approx(float(sum_of_squares), rel=1e-10)
    assert abs(grad).max() <= 1e-6
    options = {"lr": lr, "maxiter": iterations}
    res = fastopt.minimize(fun, start / certified, args, "adam", "inplace", tol=1e-9, options=options)
    assert res.fun == pytest.approx(float(sum_of_squares), rel=1e-4)
    np.testing.assert_allclose(res.x, 1, rtol=1e-2)
