"""Schedules are asked once for each step that is taken, in order, and for no other."""

import numpy as np
from numba import njit

import fastopt

PROMISE = "Schedules are asked once for each step, in order, and never beyond the last"
TRIED = "calls of schedules by `step`, `fit`, `minimize` and `minimize_many`"
PATIENCE, SHORT = 120, (0, 1, 4, 7)

WAYS = ("step", "fit", "compiled fit", "minimize", "compiled minimize", "inline", "many", "compiled many")


def draw(rng):
    return {
        "way": WAYS[rng.integers(len(WAYS))],
        "steps": int(10 ** rng.uniform(0, 3.3)),
        "rule": ["adam", "sgd", "momentum"][rng.integers(3)],
        "k": int(rng.integers(1, 40)),
        "converges": bool(rng.random() < 0.5),  # of minimisations: they stop by gtol, not by maxiter
    }


@njit
def fun(x, grad):
    grad[0] = x[0] - 1.0
    return 0.5 * (x[0] - 1.0) ** 2


def loss(w, g, x):
    g += w - 1.0 + x.mean()
    return float(w[0])


@njit
def compiled_loss(w, g, x):
    g[0] += w[0] - 1.0 + x[0]
    return w[0]


def run(case):
    steps, rates = case["steps"], np.linspace(1e-6, 1e-7, case["steps"]).tolist()
    if case["converges"] and case["way"] not in ("step", "fit", "compiled fit"):
        steps = go(case, lambda step: 0.1, 10_000)
        assert steps < 10_000, "it does not converge"
        rates = [0.1] * steps  # which ends where it is no longer asked
    asked = []

    def schedule(step):
        asked.append(step)
        return rates[step]

    taken = go(case, schedule, 10_000 if rates[0] == 0.1 else steps)
    assert taken == steps, f"{taken} steps were taken of {steps}"
    if rates[0] == 0.1:  # asked ahead, before it was known that the last step was the last
        asked = asked[:steps]
    assert asked == list(range(steps)), f"asked {len(asked)} times for {steps} steps: {asked[:5]} ..."
    return len(asked)


def go(case, schedule, steps):
    """So many steps; how many were taken."""
    way, rule = case["way"], case["rule"]
    make = {"adam": fastopt.Adam, "sgd": fastopt.SGD, "momentum": fastopt.Momentum}[case["rule"]]
    options = {"lr": schedule, "maxiter": steps, "gtol": 1e-3 if case["converges"] else 0}
    if way == "step":
        opt = make(np.ones(3), lr=schedule)
        for _ in range(steps):
            opt.step(np.ones(3))
        return opt.t
    if way.endswith("fit"):
        opt = make(np.ones(1), lr=schedule)
        fastopt.fit(compiled_loss if way[0] == "c" else loss, opt, np.ones(steps), batch_size=1, epochs=1)
        return opt.t
    which = fun if way in ("compiled minimize", "inline", "compiled many") else fun.py_func
    if way.endswith("many"):
        res = fastopt.minimize_many(which, np.zeros((case["k"], 1)), method=rule, jac="inplace", options=options)
        assert (res.nit == res.nit[0]).all()
        return int(res.nit[0])
    if which is fun:
        options["inline"] = way == "inline"
    return fastopt.minimize(which, np.zeros(1), method=rule, jac="inplace", options=options).nit
