"""``python first_calls_jax.py WORK``: first_calls.py in JAX, which compiles its loops anew with each objective."""

import json
import sys
from time import perf_counter

import jax_fits
import jax_peers
import numpy as np
from jax_peers import descend, jax, jnp, optax

X, Y, T = jnp.asarray(np.random.default_rng(0).normal(size=(100, 5))), jnp.ones(100), np.linspace(0.0, 1.0, 20)
ADAM = optax.adam(1e-3)


def minimize(number):
    fun = lambda x: jax_peers.rosenbrock(number * x)  # noqa: E731
    run = jax.jit(jax_peers.descend_until(fun, ADAM, 100, 1e-5))
    run(np.zeros(2)).block_until_ready()


def fit(number):
    def loss(w, X, y):
        return jnp.sum((X @ w - number * y) ** 2)

    @jax.jit
    def train(w, state, order):
        def step(carry, rows):
            w, state = carry
            updates, state = ADAM.update(jax.grad(loss)(w, X[rows], Y[rows]), state)
            return (optax.apply_updates(w, updates), state), None

        return jax.lax.scan(step, (w, state), order)[0][0]

    train(np.zeros(5), ADAM.init(np.zeros(5)), np.arange(100).reshape(10, 10)).block_until_ready()


def minimize_many(number):
    def fun(x, y):
        return jnp.sum((x[0] * jnp.exp(-x[1] * T) - number * y) ** 2)

    run = jax.jit(jax.vmap(descend(fun, ADAM, 100)))
    run(np.ones((64, 2)), np.ones((64, 20))).block_until_ready()


def curve_fit_many(number):
    run = jax.jit(jax_fits.plain(lambda t, a, b: jax_fits.decay(t, a, b) / number, 1e-8))
    run(np.ones((64, 2)), np.exp(-np.ones((64, 1)) * T), T)[0].block_until_ready()


def main(work):
    times = []
    for number in (1.0, 1.25):
        began = perf_counter()
        globals()[work](number)
        times.append(perf_counter() - began)
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1])
