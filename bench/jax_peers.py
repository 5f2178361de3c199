"""The same work in JAX and optax, compiled whole: what the loops of fastopt are raced against."""

import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", True)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def descend(fun, optimiser, steps):
    """``run(x, *args)``: so many steps from x, in one scan."""

    def run(x, *args):
        def step(carry, _):
            x, state = carry
            updates, state = optimiser.update(jax.grad(fun)(x, *args), state)
            return (optax.apply_updates(x, updates), state), None

        return jax.lax.scan(step, (x, optimiser.init(x)), None, length=steps)[0][0]

    return run


def descend_until(fun, optimiser, steps, gtol):
    """The same until the largest element of the gradient is at most gtol."""

    def run(x, *args):
        def going(carry):
            k, _, _, g = carry
            return (k < steps) & (jnp.max(jnp.abs(g)) > gtol)

        def step(carry):
            k, x, state, g = carry
            updates, state = optimiser.update(g, state)
            x = optax.apply_updates(x, updates)
            return k + 1, x, state, jax.grad(fun)(x, *args)

        return jax.lax.while_loop(going, step, (0, x, optimiser.init(x), jax.grad(fun)(x, *args)))[1]

    return run


def exponential(x, y, t):
    return 0.5 * jnp.sum((x[0] * jnp.exp(-x[1] * t) + x[2] - y) ** 2)


def rational(x, y, t):
    return 0.5 * jnp.sum((x[0] / (1 + x[1] * x[1] * t) + x[2] - y) ** 2)


def train_logistic(optimiser, batch_size):
    """The same as ``train_mlp`` for a logistic regression, as the sum of the gradients of single examples."""

    def loss(w, x, y):
        z = x @ w
        return jax.nn.softplus(z) - y * z

    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))
    return trainer(optimiser, batch_size, lambda w, X, y: gradients(w, X, y).sum(axis=0))


def train_mlp(optimiser, batch_size):
    """``train(params, state, X, y, orders)``: epochs over the data in these orders."""

    def loss(p, X, y):
        scores = jnp.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    return trainer(optimiser, batch_size, jax.grad(loss))


def trainer(optimiser, batch_size, gradient):
    @jax.jit
    def train(params, state, X, y, orders):
        def step(carry, rows):
            params, state = carry
            updates, state = optimiser.update(gradient(params, X[rows], y[rows]), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), orders.reshape(-1, batch_size))[0]

    return train
