"""Levenberg-Marquardt in JAX, for curve_fit_many to be raced against: as one writes it, and as fast as we could."""

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
BLOCK = 512  # curves at a time, of 8 to 2500 the fastest


def logistic(t, low, high, slope, middle):
    return low + (high - low) / (1 + jnp.exp(-slope * (t - middle)))


def decay(t, a, b):
    return a * jnp.exp(-b * t)


def plain(model, ftol, most=100):
    """``fit(P0, Y, t)``: x and cost of each; jacfwd, linalg.solve and vmap."""

    def equations(b, y, t):
        def residuals(b):
            return model(t, *b) - y

        r, J = residuals(b), jax.jacfwd(residuals)(b)
        return 0.5 * r @ r, J.T @ r, J.T @ J

    def solve(A, g, damping):
        return jnp.linalg.solve(A + damping * jnp.diag(jnp.diag(A)), -g)

    one = descend(equations, solve, jnp.add, ftol, most)
    return jax.vmap(one, (0, 0, None))


def tuned(model, ftol, most=100):
    """The same from scalars alone, so that XLA fuses them: columns of J, LDL' written out; and in blocks."""

    def equations(b, y, t):
        r, columns = model(t, *b) - y, []
        for i in range(len(b)):
            unit = tuple(jnp.full_like(part, i == j) for j, part in enumerate(b))
            columns.append(jax.jvp(lambda *b: model(t, *b), b, unit)[1])
        A = tuple(tuple(jnp.sum(p * q) for q in columns[: i + 1]) for i, p in enumerate(columns))
        return 0.5 * jnp.sum(r * r), tuple(jnp.sum(p * r) for p in columns), A

    def moved(b, step):
        return tuple(map(jnp.add, b, step))

    one = descend(equations, ldl_solve, moved, ftol, most)

    def fit(P0, Y, t):
        def row(problem):
            x, cost = one(tuple(problem[0]), problem[1], t)
            return jnp.stack(x), cost

        return jax.lax.map(row, (P0, Y), batch_size=BLOCK)

    return fit


def ldl_solve(A, g, damping):
    """−(A + damping·diag A)⁻¹g of a lower triangle."""
    d = len(g)
    L, D, w = [[None] * d for _ in range(d)], [None] * d, [None] * d
    for i in range(d):
        D[i] = A[i][i] * (1 + damping) - sum(L[i][k] ** 2 * D[k] for k in range(i))
        for j in range(i + 1, d):
            L[j][i] = (A[j][i] - sum(L[j][k] * L[i][k] * D[k] for k in range(i))) / D[i]
        w[i] = -g[i] - sum(L[i][k] * w[k] for k in range(i))
    w = [part / scale for part, scale in zip(w, D)]
    for i in reversed(range(d)):
        w[i] = w[i] - sum(L[k][i] * w[k] for k in range(i + 1, d))
    return tuple(w)


def descend(equations, solve, moved, ftol, most):
    """``one(b, y, t)``: its minimum and cost, in a while_loop; the damping is divided or multiplied by ten."""

    def one(b, y, t):
        def going(state):
            count, *_, done = state
            return (count < most) & ~done

        def step(state):
            count, at, damping, _ = state
            b, cost, g, A = at
            new = moved(b, solve(A, g, damping))
            there = (new, *equations(new, y, t))
            better = there[1] < cost
            at = jax.tree.map(lambda new, old: jnp.where(better, new, old), there, at)
            done = (better & (cost - there[1] <= ftol * cost)) | (damping > 1e12)
            return count + 1, at, jnp.where(better, damping * 0.1, damping * 10), done

        state = (0, (b, *equations(b, y, t)), jnp.ones_like(y[0]) * 1e-3, False)
        return jax.lax.while_loop(going, step, state)[1][:2]

    return one
