"""minimize against SciPy's minima of many smooth problems, against closed forms, and against NIST's certified values."""

from collections import namedtuple
from functools import cache

import numpy as np
import pytest
import scipy.optimize
from numba import njit
from support import bits
from test_minima import diabetes, linear, logistic, poisson, ridge, softmax

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
def pseudo_huber(x, grad, A, c):
    """Σᵢ √(1 + (Aᵢ·x − cᵢ)²) − 1"""
    f = 0.0
    grad[:] = 0.0
    for i in range(A.shape[0]):
        r = -c[i]
        for j in range(x.size):
            r += A[i, j] * x[j]
        root = np.sqrt(1.0 + r * r)
        f += root - 1.0
        for j in range(x.size):
            grad[j] += A[i, j] * r / root
    return f


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


Setting = namedtuple("Setting", "fun args x0")


def spd(d, condition):
    """A matrix with eigenvalues from 1 to condition, and a centre."""
    rng = np.random.default_rng(d)
    Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return Q * np.geomspace(1, condition, d) @ Q.T, rng.normal(size=d)


def quadratic(d, condition):
    return Setting(form, spd(d, condition), np.zeros(d))


def random_rows(fun, n, d):
    rng = np.random.default_rng(n)
    return Setting(fun, (rng.normal(size=(n, d)), rng.normal(size=n)), np.ones(d))


def classic(problem, x0=None):
    return Setting(njit(problem.fun_and_grad), (), problem.x0 if x0 is None else x0)


def real(make):
    loss, (X, y), shape = make()
    if make is softmax:

        @njit
        def flat(x, grad, X, y):
            return loss(x.reshape(shape), grad.reshape(shape), X, y)

        return Setting(flat, (X, y), np.zeros(shape[0] * shape[1]))
    return Setting(loss, (X, y), np.zeros(shape))


def decay():
    t = np.linspace(0, 3, 40)
    return Setting(exponential, (t, 2 * np.exp(-1.3 * t) + 0.5 + 0.1 * np.sin(7 * t)), np.array([1.0, 1.0, 0.0]))


SETTINGS = {
    **{p.name: (classic, p) for p in problems.CLASSICS if p.name != "ackley"},  # it has a kink at its minimum
    **{f"rosenbrock {d}": (classic, problems.rosenbrock(d), np.zeros(d)) for d in (3, 10, 50)},
    "sphere 100": (classic, problems.sphere(100)),
    "styblinski_tang 10": (classic, problems.styblinski_tang(10)),
    **{f"quadratic {d} {c}": (quadratic, d, c) for d, c in ((2, 10), (5, 1000), (50, 100), (30, 10000), (200, 10))},
    "log_sum_exp": (random_rows, log_sum_exp, 60, 5),
    "pseudo_huber": (random_rows, pseudo_huber, 50, 8),
    "exponential": (decay,),
    **{make.__name__: (real, make) for make in (linear, ridge, logistic, poisson, softmax)},
}
