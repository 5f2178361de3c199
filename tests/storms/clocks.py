"""Objectives that become dearer: time limits and Ctrl-C hold all the same."""

import time

import numpy as np
from interrupts import dearer, many, one, seconds_late, seconds_to_stop, training

PROMISE = "Time limits and Ctrl-C hold within 0.2 s, and an evaluation"
TRIED = "minimisations and trainings whose evaluations become up to 10⁵ times dearer on the way"
PATIENCE, SHORT = 120, (104, 0, 65)


def in_python(x, grad, calls, spin):
    return dearer(x, grad, calls, spin)


RUNS = {
    "minimize": lambda *given, **options: one(dearer, *given, inline=False, **options),
    "inline": lambda *given, **options: one(dearer, *given, inline=True, **options),
    "python": lambda *given, **options: one(in_python, *given, **options),
    "many": lambda *given, **options: many(dearer, *given, k=64, **options),
    "many of one": lambda *given, **options: many(dearer, *given, k=1, **options),
}
WAYS = (*RUNS, "fit")


def draw(rng):
    return {
        "way": WAYS[rng.integers(len(WAYS))],
        "ends": ["maxtime", "interrupt"][rng.integers(2)],  # a training has no time limit
        "seconds": round(float(rng.uniform(0.05, 1.0)), 3),
        "cheap": int(10 ** rng.uniform(3, 5)),  # evaluations before they become dear
        "dear": int(10 ** rng.uniform(4.5, 7)),  # turns of a loop: from some 0.3 ms to 0.1 s
        "allowed": 0.2,
    }


def run(case):
    """Once is enough to count as held; a machine that was busy with something else has three tries."""
    late = []
    for _ in range(3):
        late.append(seconds_over(case))
        if late[-1] <= case["allowed"]:
            return 1
    raise AssertionError(f"{case['ends']} came {min(late):.2f} s late")


def seconds_over(case):
    """How much later it ended than it should, an evaluation of each thread allowed."""
    evaluation = time_of_evaluation(case["dear"])
    if case["way"] == "fit":
        training(1, 2)[1]()  # compiled now
        late = seconds_to_stop(training(1, after=case["cheap"], spin=case["dear"])[1], case["seconds"])
    else:
        go, given = RUNS[case["way"]], (case["cheap"], case["dear"])
        go(10**9, 1, maxiter=20)
        if case["ends"] == "maxtime":
            late = seconds_late(lambda **limit: go(*given, **limit), case["seconds"])
        else:
            late = seconds_to_stop(lambda: go(*given), case["seconds"])
    return late - 2 * evaluation


def time_of_evaluation(dear):
    x, grad = np.zeros(1), np.zeros(1)
    dearer(x, grad, np.array([0, 10]), 1)
    began = time.perf_counter()
    dearer(x, grad, np.array([1, 0]), dear)
    return time.perf_counter() - began
