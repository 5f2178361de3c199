"""In one process: a Numba function that its user has recompiled runs everywhere as it is now."""

import numpy as np
import pytest
from numba import int64, njit

import fastopt

K = 2.0


def value(x, grad):
    grad[0] = 2.0 * x[0]
    return K + x[0] * x[0]


def loss(params, grads, X):
    grads[:] = K
    return K


@pytest.fixture
def change():
    """Sets K and recompiles a function."""
    global K

    def changed(to, function):
        global K
        K = to
        function.recompile()

    K = 2.0
    yield changed
    K = 2.0


@pytest.mark.parametrize("inline", [False, True])
def test_a_recompiled_objective(change, inline):
    fun = njit(value)
    options = {"maxiter": 1, "inline": inline}
    ways = {
        "called": lambda: fun(np.zeros(1), np.zeros(1)),
        "minimize": lambda: fastopt.minimize(fun, np.zeros(1), method="gd", jac="inplace", options=options).fun,
        "many": lambda: fastopt.minimize_many(
            fun, np.zeros((1, 1)), (), (), "gd", "inplace", options={"maxiter": 1}
        ).fun[0],
    }
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 2.0)
    change(3.0, fun)
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 3.0)


def test_a_recompiled_loss(change):
    jitted = njit(loss)
    for k in (2.0, 3.0):
        change(k, jitted)
        p = np.zeros(1)
        history = fastopt.fit(jitted, fastopt.SGD(p, lr=1.0), (np.ones(1),), batch_size=None, epochs=1)
        assert (p[0], history.loss[0]) == (-k, k)


@pytest.mark.parametrize("inline", [False, True])
def test_an_inlined_objective_keeps_its_options(inline):
    """Of this one, that its result is cut to an integer, and that a division by zero raises."""

    @njit(locals={"cut": int64}, inline="always", error_model="python")
    def fun(x, grad):
        grad[0] = 0.0
        cut = x[0] * x[0]
        return cut + 1.0 / x[0]

    options = {"maxiter": 1, "inline": inline}
    assert fastopt.minimize(fun, np.full(1, 2.5), method="gd", jac="inplace", options=options).fun == 6.4
    with pytest.raises(ZeroDivisionError):
        fastopt.minimize(fun, np.zeros(1), method="gd", jac="inplace", options=options)
