"""``maxfun`` is what the objective is called at most, but for one gradient, and ``nfev`` what it was called."""

import numpy as np

import fastopt

PROMISE = "`maxfun` holds, but for one gradient, and `nfev` is what was called"
TRIED = "minimisations with small budgets, gradients of every form"
PATIENCE, SHORT = 60, range(40)

FORMS = (None, "2-point", "3-point", "cs", "inplace", True, "callable")


def draw(rng):
    return {
        "form": int(rng.integers(len(FORMS))),
        "d": int(rng.integers(1, 9)),
        "maxfun": int(rng.integers(1, 200)),
        "lr": float(10 ** rng.uniform(-3, 1)),
        "best": bool(rng.random() < 0.3),
        "ftol": float(rng.choice([0.0, 1e-3])),
        "bounded": bool(rng.random() < 0.3),
    }


def run(case):
    form, d, calls = FORMS[case["form"]], case["d"], [0]

    def value(x):
        calls[0] += 1
        return (x * x).sum()

    def both(x):
        return value(x), 2 * x

    def inplace(x, grad):
        grad[:] = 2 * x
        return value(x)

    fun = {True: both, "inplace": inplace}.get(form, value)
    jac = (lambda x: 2 * x) if form == "callable" else form
    options = {"maxfun": case["maxfun"], "lr": case["lr"] or 0.1, "best": case["best"], "ftol": case["ftol"] or 0.0}
    bounds = [(-2, 2)] * d if case["bounded"] else None
    try:
        res = fastopt.minimize(fun, np.ones(d), jac=jac, bounds=bounds, options=options)
    except ValueError as refused:
        if "maxfun" not in str(refused) or calls[0]:
            raise
        return 1
    gradient = {None: 2 * d + 1, "3-point": 2 * d + 1, "2-point": d + 1, "cs": d + 1}.get(form, 1)
    assert calls[0] == res.nfev, f"called {calls[0]} times, nfev is {res.nfev}"
    assert calls[0] <= case["maxfun"] + gradient, f"called {calls[0]} times with maxfun={case['maxfun']}"
    return 1
