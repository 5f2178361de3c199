"""20 000 least-squares fits of three parameters to 20 points with Adam, beside JAX's vmap."""

import numpy as np
import pytest
from conftest import Contestant
from numba import njit

import fastopt

# Fits of a fixed number of iterations do not all converge.
pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
K, POINTS, STEPS = 20_000, 20, 300


@njit
def exponential(x, grad, y, t):
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])
        r = x[0] * e + x[2] - y[j]
        f += 0.5 * r * r
        grad[0] += r * e
        grad[1] -= r * x[0] * t[j] * e
        grad[2] += r
    return f


@njit(error_model="numpy")
def rational(x, grad, y, t):
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        q = 1.0 / (1.0 + x[1] * x[1] * t[j])
        r = x[0] * q + x[2] - y[j]
        f += 0.5 * r * r
        grad[0] += r * q
        grad[1] -= 2.0 * r * x[0] * x[1] * t[j] * q * q
        grad[2] += r
    return f


@njit
def value(x, y, t):
    """The exponential one, without its gradient."""
    f = 0.0
    for j in range(t.size):
        r = x[0] * np.exp(-x[1] * t[j]) + x[2] - y[j]
        f += 0.5 * r * r
    return f


def data(model, hard_first):
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 3.0, POINTS)
    true = rng.uniform([1.0, 0.5, 0.0], [3.0, 2.0, 1.0], (K, 3))
    if hard_first:  # the farther from where the fits begin, the longer they take
        true = true[np.argsort(-np.abs(true - 1.0).sum(axis=1))]
    curve = np.exp(-true[:, 1:2] * t) if model is not rational else 1.0 / (1.0 + true[:, 1:2] ** 2 * t)
    return np.ones((K, 3)), true[:, :1] * curve + true[:, 2:] + 0.01 * rng.standard_normal((K, POINTS)), t


def fastopts(model, X0, Y, t, **options):
    last = {}

    def step():
        jac = "forward" if model is value else "inplace"
        last["res"] = fastopt.minimize_many(model, X0, (Y,), (t,), "adam", jac, options={"lr": 0.05, **options})

    return step, lambda: last["res"].x


def jaxs(peers, run, X0, Y, t):
    run, last = peers.jax.jit(peers.jax.vmap(run, (0, 0, None))), {}

    def step():
        last["x"] = run(X0, Y, t).block_until_ready()

    return step, lambda: np.asarray(last["x"])


@pytest.mark.parametrize(
    ("model", "peer", "what", "least"),
    [
        (exponential, "exponential", "exponential fits", 4),
        (value, "exponential", "exponential fits, only the value written", 3),
        (rational, "rational", "rational fits", 4),
    ],
    ids=["exponential", "value", "rational"],
)
def test_equal_iterations(race, figure, jax_peers, model, peer, what, least):
    """JAX differentiates in each."""
    X0, Y, t = data(model, False)
    step, last = fastopts(model, X0, Y, t, maxiter=STEPS, gtol=0)
    step()
    expected = last().copy()
    contestants = {"fastopt": Contestant(step, last, expected)}
    if jax_peers:
        run = jax_peers.descend(getattr(jax_peers, peer), jax_peers.optax.adam(0.05), STEPS)
        contestants["JAX"] = Contestant(*jaxs(jax_peers, run, X0, Y, t), expected)
    seconds = race(contestants, 1, 1e-6, rounds=8)
    if seconds is None:
        return
    figure(f"{K} {what}, {STEPS} iterations each", seconds["fastopt"] / (K * STEPS) * 1e9, "ns")
    if jax_peers:
        figure("  JAX vmap over fastopt", seconds["JAX"] / seconds["fastopt"], "×", least=least)


@pytest.mark.parametrize("hard_first", [False, True], ids=["mixed", "hard first"])
def test_each_to_its_tolerance(race, figure, jax_peers, hard_first):
    X0, Y, t = data(exponential, hard_first)
    options = {"gtol": 1e-4, "maxiter": 2000}
    step, last = fastopts(exponential, X0, Y, t, **options)
    step()
    expected = last().copy()
    contestants = {"fastopt": Contestant(step, last, expected)}
    if jax_peers:
        run = jax_peers.descend_until(jax_peers.exponential, jax_peers.optax.adam(0.05), 2000, 1e-4)
        contestants["JAX"] = Contestant(*jaxs(jax_peers, run, X0, Y, t), expected)
    # Both stop where the gradient is at most gtol; rounding may let one of them take a step more.
    seconds = race(contestants, 1, 1e-2, rounds=4)
    if seconds is None:
        return
    order = "hard problems first" if hard_first else "in any order"
    figure(f"{K} exponential fits to gtol 1e-4, {order}", seconds["fastopt"] * 1e3, "ms")
    if jax_peers:
        figure("  JAX vmap over fastopt", seconds["JAX"] / seconds["fastopt"], "×", least=15)
