"""Gradients of objectives of which only the value is written: beside one by hand, differences, and JAX."""

import numpy as np
import pytest
from conftest import Contestant
from numba import njit
from sklearn.datasets import load_breast_cancer
from test_minimize import rosenbrock

import fastopt
from fastopt.kernels import forward

CALLS = 10_000
BATCH, EPOCHS, SEED = 32, 20, 0


@njit
def value(x):
    f = 0.0
    for i in range(x.size - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
    return f


@njit
def one(w, x, y):
    """The loss of one example of a logistic regression."""
    z = 0.0
    for j in range(x.size):
        z += w[j] * x[j]
    return fastopt.jit.softplus(z) - y * z


def evaluations(function, x0):
    """Many evaluations in a row, of which each depends on the one before."""

    @njit
    def run(x, g):
        f = 0.0
        for _ in range(CALLS):
            x[0] += 1e-9
            f += function(x, g)
        return f

    x, g = x0.copy(), np.empty(x0.size)

    def step():
        x[:] = x0
        run(x, g)

    return step, lambda: g


@pytest.mark.parametrize(("d", "most"), [(2, 1.3), (4, 1.3), (8, 2.0), (32, None)])
def test_a_gradient(race, figure, d, most):
    x = np.random.default_rng(0).standard_normal(d)
    expected = np.empty(d)
    rosenbrock(x + 1e-9 * CALLS * (np.arange(d) == 0), expected)
    written = {
        "by hand": rosenbrock,
        "in minimize": forward.value_and_grad(value, d),  # which knows d when it is compiled
        "value_and_grad": fastopt.value_and_grad(value),
    }
    contestants = {name: Contestant(*evaluations(f, x), expected) for name, f in written.items()}
    seconds = race(contestants, 1, 1e-6, rounds=60)
    if seconds is None:
        return
    target = {} if most is None else {"most": most}
    for name, limits in (("in minimize", target), ("value_and_grad", {})):
        figure(f"gradient by dual numbers, {name}, d = {d}", seconds[name] / CALLS * 1e9, "ns")
        figure(f"  {name}, d = {d}: as many times as by hand", seconds[name] / seconds["by hand"], "×", **limits)


def test_a_minimisation(race, figure):
    x0, last = np.where(np.arange(8) % 2, 1.0, -1.2), {}
    options = {"lr": 1e-3, "maxiter": 2000, "gtol": 0}

    def minimiser(jac):
        def step():
            last[jac] = fastopt.minimize(value, x0, method="adam", jac=jac, options=options).x

        return step, lambda: last[jac]

    exact = fastopt.minimize(rosenbrock, x0, method="adam", jac="inplace", options=options).x
    contestants = {jac: Contestant(*minimiser(jac), exact) for jac in ("forward", "2-point")}
    seconds = race(contestants, 1, 1e-4, rounds=60)
    if seconds is not None:
        figure("minimize, only the value written, d = 8, 2000 iterations", seconds["forward"] * 1e6, "µs")
        figure("  2-point over forward", seconds["2-point"] / seconds["forward"], "×", least=3)


def test_per_example(race, figure, jax_peers):
    """Logistic regression of 30 parameters, from the loss of one example."""
    X, y = load_breast_cancer(return_X_y=True)
    n = len(y) // BATCH * BATCH  # whole batches: JAX compiles for one shape
    X, y = ((X - X.mean(0)) / X.std(0))[:n], y[:n].astype(float)
    loss = fastopt.per_example(one)

    def trainer():
        w = np.zeros(X.shape[1])
        opt = fastopt.Adam(w, lr=1e-3)
        return lambda: fastopt.fit(loss, opt, (X, y), batch_size=BATCH, epochs=EPOCHS, seed=SEED), lambda: w

    step, result = trainer()
    step()
    expected = result().copy()
    contestants = {"fastopt": Contestant(*trainer(), expected)}
    if jax_peers:
        contestants["JAX scan"] = Contestant(*jaxs(jax_peers, X, y), expected)
    seconds = race(contestants, 1, 1e-6, rounds=30)
    if seconds is None:
        return
    steps = EPOCHS * n // BATCH
    figure("fit, loss of one example written, 30 parameters, batch 32, a step", seconds["fastopt"] / steps * 1e6, "µs")
    if jax_peers:
        figure("  JAX scan over fastopt", seconds["JAX scan"] / seconds["fastopt"], "×", least=2)


def jaxs(peers, X, y):
    optimiser = peers.optax.adam(1e-3)
    train, w = peers.train_logistic(optimiser, BATCH), np.zeros(X.shape[1])
    held = {"params": w, "state": optimiser.init(w)}
    order = np.array([np.random.default_rng((SEED, epoch)).permutation(len(y)) for epoch in range(EPOCHS)])

    def step():
        held["params"], held["state"] = train(held["params"], held["state"], X, y, order)
        held["params"].block_until_ready()

    return step, lambda: np.asarray(held["params"])
