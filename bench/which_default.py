"""Which rule `fastopt.minimize` uses where none is named: each candidate, with one setting for all problems.

The problems are `fastopt.problems.CLASSICS` with two more sizes, the same with variables in units from 0.01 to 100, and
the losses on scikit-learn's data that tests/solve/test_minima.py solves. Those of Moré, Garbow and Hillstrom
(tests/solve/test_default.py) are kept out of it.

    PYTHONPATH=tests/solve python bench/which_default.py
"""

import time

import numpy as np
from numba import njit
from test_minima import ITERATIONS, minimum

import fastopt
from fastopt import problems

CANDIDATES = [
    ("memoryless_bfgs", {}),
    *(("memoryless_bfgs", {"sigma": sigma}) for sigma in (0.1, 0.5, 0.7, 0.9)),
    *(("memoryless_bfgs", {"lr": lr}) for lr in (1e-4, 1e-2, 0.1)),
    ("rprop", {}),
    *(("rprop", {"lr": lr, "step_sizes": (1e-14, 1e6)}) for lr in (1e-3, 1e-2, 0.1)),
    ("rprop", {"step_sizes": (1e-14, 50)}),
    ("rprop_minus", {"step_sizes": (1e-14, 1e6)}),
    *(("adam", {"lr": lr}) for lr in (1e-3, 1e-2, 0.1, 1.0)),
    ("adamax", {"lr": 0.1}),
    ("amsgrad", {"lr": 0.1}),
    ("nadam", {"lr": 0.1}),
    *(("nesterov", {"lr": lr}) for lr in (1e-4, 1e-3, 1e-2)),
    ("adagrad", {"lr": 0.1}),
    ("adagrad", {"lr": 1.0}),
    ("adadelta", {}),
    ("rmsprop", {"lr": 1e-2}),
    ("lion", {"lr": 1e-3}),
]
CLOSE = 1e-6  # of f to f*, as a part of max(1, |f*|)


def cases():
    """(name, fun in place, x0, args, f*)."""
    more = (problems.quadratic(2), problems.rosenbrock(10))
    for p in problems.CLASSICS + more:
        fun, units = njit(p.fun_and_grad), np.geomspace(1e-2, 1e2, len(p.x0))
        yield f"{p.name} {len(p.x0)}", fun, p.x0, (), p.f_star
        yield f"{p.name} {len(p.x0)} in units", in_units(fun, units), p.x0 / units, (), p.f_star
    for problem in ITERATIONS:
        loss, data, shape, f_star = minimum(problem)
        flat = loss if isinstance(shape, int) else flattened(loss, shape)
        yield problem.__name__, flat, np.zeros(np.prod(shape)), data, f_star


def in_units(fun_and_grad, units):
    @njit
    def fun(x, grad):
        value = fun_and_grad(x * units, grad)
        grad *= units
        return value

    return fun


def flattened(loss, shape):
    @njit
    def fun(x, grad, X, y):
        return loss(x.reshape(shape), grad.reshape(shape), X, y)

    return fun


def solved(problem, method, options):
    """(how far the value is from f*, iterations, seconds without compilation)."""
    _, fun, x0, args, f_star = problem
    fastopt.minimize(fun, x0, args, method, "inplace", options=options | {"maxiter": 1})
    began = time.perf_counter()
    res = fastopt.minimize(fun, x0, args, method, "inplace", options=options)
    gap = (res.fun - f_star) / max(1.0, abs(f_star))
    return gap if np.isfinite(gap) else np.inf, res.nit, time.perf_counter() - began


def main():
    chosen = list(cases())
    print(f"| method | options | of {len(chosen)} solved | median iterations | seconds | not solved |")
    print("|---|---|---:|---:|---:|---|")
    for method, options in CANDIDATES:
        runs = {problem[0]: solved(problem, method, options) for problem in chosen}
        far = [f"{name} ({gap:.0e})" for name, (gap, *_) in runs.items() if gap > CLOSE]
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        nit, seconds = np.median([n for _, n, _ in runs.values()]), sum(s for *_, s in runs.values())
        print(f"| {method} | {given} | {len(runs) - len(far)} | {nit:.0f} | {seconds:.2f} | {', '.join(far)} |")


if __name__ == "__main__":
    main()
