"""Many problems at once: the result of each has the same bits whatever is solved beside it."""

import numpy as np
from numba import njit
from stepping import bits

import fastopt

PROMISE = "A problem's result never depends on what is solved beside it"
TRIED = "problems solved among others, in other orders, at other times"
PATIENCE, SHORT = 120, (14,)


def draw(rng):
    return {
        "rule": ("adam", "sgd", "nadam", "adagrad")[rng.integers(4)],
        "dtype": ("f4", "f8")[rng.integers(2)],
        "k": int(10 ** rng.uniform(0, 2.5)),
        "d": int(rng.integers(1, 6)),
        "maxiter": int(10 ** rng.uniform(0, 3)),
        "gtol": float(rng.choice([0.0, 1e-3])),
        "ftol": float(rng.choice([0.0, 1e-4])),
        "best": bool(rng.random() < 0.3),
        "scheduled": bool(rng.random() < 0.3),
        "maximize": bool(rng.random() < 0.2),
        "seed": int(rng.integers(2**31)),
    }


@njit
def fun(x, grad, y, scale):
    """Some problems are hard, some raise, some leave the numbers."""
    f = 0.0
    for j in range(x.size):
        r = x[j] - y[j]
        if abs(r) > 50.0:
            raise ValueError("far away")
        f += scale[0] * (0.5 * r * r + 0.1 * np.sin(3.0 * x[j]))
        grad[j] = scale[0] * (r + 0.3 * np.cos(3.0 * x[j]))
    return f


def run(case):
    rng = np.random.default_rng(case["seed"])
    k, d, dtype = case["k"], case["d"], np.dtype(case["dtype"])
    X0, Y = rng.normal(size=(k, d)).astype(dtype), (rng.normal(size=(k, d)) * 10).astype(dtype)
    scale = (10.0 ** rng.uniform(-2, 2, (k, 1))).astype(dtype)
    whole = solved(case, X0, Y, scale)
    order = rng.permutation(k)
    shuffled = solved(case, X0[order], Y[order], scale[order])
    some = rng.choice(k, min(k, 5), replace=False)
    for i in some:
        alone = solved(case, X0[i : i + 1], Y[i : i + 1], scale[i : i + 1])
        same(whole, i, alone, 0)
    for at, i in enumerate(order):
        same(whole, i, shuffled, at)
    return k + len(some)


def solved(case, X0, Y, scale):
    import warnings

    options = {name: case[name] or 0.0 for name in ("gtol", "ftol")} | {
        "best": case["best"],
        "maxiter": case["maxiter"],
    }
    options |= {"maximize": case["maximize"], "lr": (lambda t: 0.1 / (1 + 0.01 * t)) if case["scheduled"] else 0.1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of problems that raise, or diverge
        return fastopt.minimize_many(fun, X0, (Y, scale), method=case["rule"], jac="inplace", options=options)


def same(res, i, other, at):
    for name in ("x", "fun", "jac", "nit", "nfev", "status", "success"):
        mine, theirs = np.asarray(res[name][i]), np.asarray(other[name][at])
        equal = bits(mine) == bits(theirs) if mine.dtype.kind == "f" else (mine == theirs).all()
        assert equal, f"{name} of a problem is {mine} among others, {theirs} elsewhere"
