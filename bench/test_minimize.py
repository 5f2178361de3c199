"""Rosenbrock's function with Adam: nanoseconds per iteration of the compiled loop, beside JAX; and a small call."""

import numpy as np
import pytest
from conftest import Contestant
from numba import njit

import fastopt

MOST = {2: 25, 10: 60, 100: 330, 1000: 2500}  # ns per iteration
ITERATIONS = {2: 20000, 10: 10000, 100: 2000, 1000: 400}


@njit
def rosenbrock(x, grad):
    f = 0.0
    grad[0] = 0.0
    for i in range(x.size - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
        grad[i] += -400.0 * x[i] * a - 2.0 * b
        grad[i + 1] = 200.0 * a
    return f


def minimiser(x0, iterations, inline):
    options = {"lr": 1e-3, "maxiter": iterations, "gtol": 0, "inline": inline}
    last = {}

    def step():
        last["x"] = fastopt.minimize(rosenbrock, x0, method="adam", jac="inplace", options=options).x

    return step, lambda: last["x"]


@pytest.mark.parametrize("d", MOST)
def test_iterations(race, figure, jax_peers, d):
    n = ITERATIONS[d]
    x0 = np.where(np.arange(d) % 2, 1.0, -1.2)
    x = x0.copy()
    opt, g = fastopt.Adam(x, lr=1e-3), np.empty(d)
    for _ in range(n):
        rosenbrock(x, g)
        opt.step(g)
    contestants = {
        "inline": Contestant(*minimiser(x0, n, True), x),
        "by address": Contestant(*minimiser(x0, n, False), x),
    }
    if jax_peers:
        run, last = jax_peers.jax.jit(jax_peers.descend(jax_peers.rosenbrock, jax_peers.optax.adam(1e-3), n)), {}

        def step():
            last["x"] = run(x0).block_until_ready()

        contestants["JAX"] = Contestant(step, lambda: np.asarray(last["x"]), x)
    seconds = race(contestants, 1, 1e-6, rounds=60)
    if seconds is None:
        return
    figure(f"Rosenbrock, Adam, d = {d}, inline", seconds["inline"] / n * 1e9, "ns", most=MOST[d])
    figure("  by address", seconds["by address"] / n * 1e9, "ns")
    if jax_peers:
        figure("  JAX scan over inline", seconds["JAX"] / seconds["inline"], "×", least=1.1 if d == 1000 else 1.25)


def test_a_small_call(race, figure):
    x0 = np.array([-1.2, 1.0])
    step, last = minimiser(x0, 100, False)
    step()
    seconds = race({"minimize": Contestant(step, last, last().copy())}, 1, 1e-12)
    if seconds is not None:
        figure("minimize, d = 2, 100 iterations, a later call", seconds["minimize"] * 1e6, "µs", most=20)
