"""``fastopt crossover``: how the time of a step grows with size on every target, and where the fastest changes."""

import math
from functools import cache
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .kernels import cpu
from .optimizer import Optimizer
from .rules import Rule

SIZES = tuple(round(10 ** (k / 2)) for k in range(4, 15))  # 100 to 10⁷ elements
ROUNDS, LEAST = 15, 1e-3  # samples, and the seconds that each takes at least
TARGETS = {"serial": {"parallel": False}, "parallel": {"parallel": True}}  # what the optimiser is told
LIMIT = "limit"


class Times(NamedTuple):
    """Seconds per step: by target, in the order of the sizes."""

    rule: Rule
    dtype: str
    sizes: tuple[int, ...]
    seconds: dict[str, list[float]]


@cache
def limit_rule(states: int) -> Rule:
    """A rule that moves as many bytes as one with so many state arrays, with hardly any arithmetic."""
    update = (_move0, _move1, _move2, _move3)[states]
    state = tuple("abc"[:states])
    return Rule(name=f"limit{states}", update=update, coefficients=_rate, state=state, hyper={"lr": 1e-3})


def _rate(t, lr):
    return (lr,)


def _move0(p, g, lr):
    return (p - lr * g,)


def _move1(p, g, a, lr):
    return p - lr * g, a + lr * g


def _move2(p, g, a, b, lr):
    return p - lr * g, a + lr * g, b - lr * g


def _move3(p, g, a, b, c, lr):
    return p - lr * g, a + lr * g, b - lr * g, c + lr * g


def measure(rule, dtype, sizes=SIZES, targets=TARGETS, rounds=ROUNDS, tick=lambda size: None) -> Times:
    """The median time of a step on each target by turns, and, as the target "limit", of what only moves the bytes."""
    seconds: dict[str, list[float]] = {name: [] for name in (*targets, LIMIT)}
    for size in sizes:
        tick(size)
        g = np.random.default_rng(0).standard_normal(size).astype(dtype)
        steps = {name: Optimizer(np.ones(size, dtype), rule, **options).step for name, options in targets.items()}
        steps[LIMIT] = Optimizer(np.ones(size, dtype), limit_rule(len(rule.state))).step
        calls = {name: _calls(step, g) for name, step in steps.items()}
        samples = [{name: _lap(step, g, calls[name]) for name, step in steps.items()} for _ in range(rounds)]
        for name, medians in seconds.items():
            medians.append(float(np.median([sample[name] for sample in samples])))
    return Times(rule, dtype, tuple(sizes), seconds)


def _lap(step, g, calls):
    """Seconds per call."""
    start = perf_counter()
    for _ in range(calls):
        step(g)
    return (perf_counter() - start) / calls


def _calls(step, g):
    """How many calls a sample takes."""
    _lap(step, g, 2)  # compiles, and touches the memory
    return max(1, math.ceil(LEAST / _lap(step, g, 3)))


def crossover(sizes, slow, fast) -> float | None:
    """From which size on ``fast`` is faster for good, between sizes by straight lines in logarithms; None if never."""
    ratios = [math.log(a / b) for a, b in zip(slow, fast)]  # positive where fast is faster
    k = len(ratios)
    while k and ratios[k - 1] > 0:
        k -= 1
    if k == len(ratios):
        return None
    if k == 0:
        return float(sizes[0])
    part = ratios[k - 1] / (ratios[k - 1] - ratios[k])
    return math.exp(math.log(sizes[k - 1]) + part * math.log(sizes[k] / sizes[k - 1]))


def table(times: Times) -> Table:
    out = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    out.add_column("elements", justify="right")
    for name in times.seconds:
        out.add_column(f"{name} µs", justify="right")
    for k, size in enumerate(times.sizes):
        out.add_row(str(size), *(f"{column[k] * 1e6:.4g}" for column in times.seconds.values()))
    return out


def verdicts(times: Times):
    """A sentence per pair of targets, in the order of TARGETS: where the next beats the one before."""
    names = [name for name in times.seconds if name != LIMIT]
    for slow, fast in pairwise(names):
        size = crossover(times.sizes, times.seconds[slow], times.seconds[fast])
        if size is None:
            yield f"{fast} is not faster than {slow} at the largest of these sizes"
        elif size == times.sizes[0]:
            yield f"{fast} is faster than {slow} at all of these sizes"
        else:
            yield f"{fast} is faster than {slow} from about {float(f'{size:.2g}'):.0f} elements on"
    yield f"by default threads are used from {cpu.threshold(times.rule, times.dtype)} elements on"
