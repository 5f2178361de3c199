"""From what size on threads pay: the time of a step against its size, on every target present."""

import math
from collections.abc import Callable
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numba
import numpy as np

from .kernels import cpu
from .limit import bytes_moved, limit_of
from .optimizer import Optimizer
from .rules import Rule

SIZES = tuple(round(10 ** (k / 4)) for k in range(8, 29))  # 100 to 10⁷, four to a decade
# Rounds, and seconds that a target runs in each: short, so that most are free of interruptions.
ROUNDS, ROUND = 15, 5e-4


class Target(NamedTuple):
    """Where steps can run."""

    name: str
    present: Callable[[], bool]
    stepper: Callable[[Rule, np.dtype, int], Callable[[], None]]  # one step, done when it returns


class Crossover(NamedTuple):
    """Seconds per step by target, one for each size; and bytes per second that the limit's kernel moved."""

    rule: Rule
    dtype: str
    sizes: tuple[int, ...]
    seconds: dict[str, list[float]]
    bandwidth: float

    @property
    def threshold(self) -> int:
        """From what size on fastopt takes threads unasked."""
        return cpu.threshold(self.rule, self.dtype)


def on_cpu(parallel: bool):
    def stepper(rule, dtype, size):
        opt = Optimizer(np.ones(size, dtype), rule, parallel=parallel)
        g = np.ones(size, dtype)
        return lambda: opt.step(g)

    return stepper


TARGETS = (
    Target("serial", lambda: True, on_cpu(False)),
    Target("parallel", lambda: numba.config.NUMBA_NUM_THREADS > 1, on_cpu(True)),
)


def present() -> list[Target]:
    return [target for target in TARGETS if target.present()]


def measure(rule: Rule, dtype: str, sizes=SIZES, tick: Callable[[], None] = lambda: None) -> Crossover:
    """``tick`` is called after each size."""
    seconds: dict[str, list[float]] = {target.name: [] for target in present()}
    for size in sizes:
        for name, samples in by_turns(rule, dtype, size).items():
            seconds[name].append(median(samples))
        tick()
    return Crossover(rule, dtype, tuple(sizes), seconds, bandwidth(rule, dtype, max(sizes)))


def by_turns(rule: Rule, dtype: str, size: int) -> dict[str, list[float]]:
    """Seconds per step by target, one sample per round."""
    steps = {target.name: target.stepper(rule, np.dtype(dtype), size) for target in present()}
    calls = {name: enough_calls(step) for name, step in steps.items()}
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            samples[name].append(lap(step, calls[name]))
    return samples


def bandwidth(rule: Rule, dtype: str, size: int) -> float:
    """Bytes per second at this size of a kernel that moves as many with hardly any arithmetic."""
    samples = by_turns(limit_of(rule), dtype, size).values()
    return bytes_moved(rule, dtype, size) / min(median(taken) for taken in samples)


def enough_calls(step) -> int:
    """How many calls fill a round: with few, the first of them, whose data left the caches, would weigh too much."""
    calls, laps = 1, 5 if lap(step, 1) < 100 * ROUND else 1
    while (taken := min(lap(step, calls) for _ in range(laps)) * calls) < ROUND / 2:  # the least: not interrupted
        calls *= 2
    return max(1, round(calls * ROUND / taken))


def lap(step, calls: int) -> float:
    """Seconds per call."""
    start = perf_counter()
    for _ in repeat(None, calls):
        step()
    return (perf_counter() - start) / calls


def beats_from(crossover: Crossover, winner: str, loser: str) -> float | None:
    """From what size on one target is faster than the other at every size measured; None where it never is.

    Between two sizes it is read off the straight line between the ratios, in logarithms.
    """
    ratios = [math.log(a / b) for a, b in zip(crossover.seconds[winner], crossover.seconds[loser])]
    slower = [k for k, ratio in enumerate(ratios) if ratio >= 0]
    last = slower[-1] if slower else -1
    if last == len(ratios) - 1:
        return None
    if last < 0:
        return float(crossover.sizes[0])
    low, high = (math.log(crossover.sizes[k]) for k in (last, last + 1))
    return math.exp(low + (high - low) * ratios[last] / (ratios[last] - ratios[last + 1]))
