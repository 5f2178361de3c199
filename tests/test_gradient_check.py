"""check_grad: right gradients pass in every form, a wrong one is found and named."""

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt.problems import functions

A = np.array([[2.0, 0.5], [0.5, 3.0]])


def value(x, A, b):
    return 0.5 * (x @ A @ x) - b @ x + x[0] ** 4


def gradient(x, A, b):
    return A @ x - b + np.array([4.0, 0.0]) * x[0] ** 3


def wrong(x, A, b):
    return gradient(x, A, b) * np.array([1.0, -1.0])


def forms(gradient):
    def inplace(x, grad, A, b):
        grad[:] = gradient(x, A, b)
        return value(x, A, b)

    return [(value, gradient), (lambda x, A, b: (value(x, A, b), gradient(x, A, b)), True), (inplace, "inplace")]


@pytest.mark.parametrize("k", range(3))
def test_every_form(k):
    given = np.array([0.7, -1.2]), (A, np.array([1.0, 2.0]))
    fun, jac = forms(gradient)[k]
    assert fastopt.check_grad(fun, *given, jac).error < 1e-8
    fun, jac = forms(wrong)[k]
    found = fastopt.check_grad(fun, *given, jac)
    assert found.where == "grad[1]"
    assert found.given == pytest.approx(-found.expected)
    assert found.error == pytest.approx(2.0)
    assert found.expected == pytest.approx(gradient(*given[:1], *given[1])[1])


@pytest.mark.parametrize("p", functions.CLASSICS, ids=lambda p: p.name)
def test_our_own_functions(p):
    assert fastopt.check_grad(p.fun_and_grad, np.array(p.x0) + 0.1).error < 1e-6


def test_numba_functions_and_the_complex_step():
    @njit
    def fun(x, grad, c):
        grad[0] = 2 * (x[0] - c)
        grad[1] = 2 * x[1]
        return (x[0] - c) ** 2 + x[1] ** 2

    x0 = np.array([1.0, 2.0])
    assert fastopt.check_grad(fun, x0, 0.5).error < 1e-8
    assert x0.tolist() == [1.0, 2.0]
    assert fastopt.check_grad(lambda x: x[0] ** 3 + x[1], x0, jac="cs").error < 1e-8
    assert fastopt.check_grad(fun, x0.astype(np.float32), np.float32(0.5)).error < 2e-3


def loss(sign):
    def loss_and_grad(params, grads, X, y):
        W, b = params
        r = X @ W + b - y
        grads[0][...] += X.T @ r
        grads[1][...] += sign * r.sum(axis=0)
        return 0.5 * (r * r).sum()

    return loss_and_grad


NESTS = {
    "list": lambda W, b: [W, b],
    "tuple": lambda W, b: (W, b),
    "mapping": lambda W, b: {"W": W, "b": b},
    "packed": lambda W, b: fastopt.pack({"W": W, "b": b}),
}


@pytest.mark.parametrize("nest", NESTS)
def test_losses_of_fit(nest):
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W, b = rng.normal(size=(3, 2)), rng.normal(size=2)
    params = NESTS[nest](W, b)
    assert fastopt.check_grad(loss(1), params, batch, jac="fit").error < 1e-8
    found = fastopt.check_grad(loss(-1), params, batch, jac="fit")
    assert found.where.startswith("grads['b'][" if nest in ("mapping", "packed") else "grads[1][")
    assert found.given == pytest.approx(-found.expected)


def test_a_loss_of_one_array_that_adds():
    def fun(w, g, X):
        g += X.sum(axis=0)
        return float((X @ w).sum())

    assert fastopt.check_grad(fun, np.ones(2), np.eye(2), jac="fit").error < 1e-8
    with pytest.raises(TypeError, match=r"must write grad, in place: grad\[0\] \(and 1 more\) was left"):
        fastopt.check_grad(fun, np.ones(2), np.eye(2))


def test_what_is_not_finite():
    assert fastopt.check_grad(lambda x: (x[0], np.array([np.nan])), [1.0], jac=True)[:2] == (np.inf, "grad[0]")


def test_refusals():
    with pytest.raises(TypeError, match=r"x0\[0\] must be an array of float32 or float64 with jac='fit', got 1.0"):
        fastopt.check_grad(loss(1), [1.0], (), jac="fit")
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        fastopt.check_grad(3, np.ones(1), (), jac="fit")
    with pytest.raises(ValueError, match="jac must be"):
        fastopt.check_grad(value, np.ones(1), (), jac="nothing")


@pytest.mark.parametrize("compile_it", [lambda f: f, njit], ids=["python", "numba"])
def test_a_function_that_takes_no_gradient_is_told_how_it_is_called(compile_it):
    def value(x, y):
        return ((x - y) ** 2).sum()

    with pytest.raises(TypeError) as caught:
        fastopt.check_grad(compile_it(value), np.ones(2), (np.zeros(2),))
    assert str(caught.value) == "fun must be callable as fun(x, grad, arg1) -> float, but it is value(x, y)"
