"""From what size on threads pay, and from what size on a GPU: the time of a step against its size, on every target.

A lap is many steps, one after the other, as a training loop makes them. On a GPU they are queued, and the lap ends with
one wait for the device: what is measured is how many steps it takes per second, not how late the first of them is done.
"""

import math
from collections.abc import Callable
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numba
import numpy as np

from ..kernels import cpu
from ..rules import Rule
from ..step.optimizer import Optimizer
from ..targets import missing
from .same_bytes import bytes_moved, limit_of

SIZES = tuple(round(10 ** (k / 4)) for k in range(8, 29))  # 100 to 10⁷, four to a decade
# Rounds, and seconds that a target runs in each: short, so that most are free of interruptions.
ROUNDS, ROUND = 15, 5e-4


def nothing():
    """To wait for where a step is done when it returns."""


class Target(NamedTuple):
    """Where steps can run."""

    name: str
    device: str  # whose memory it works on
    present: Callable[[], bool]
    stepper: Callable[[Rule, np.dtype, int], Callable[[], None]]  # one step, done when it returns or after ``wait``
    wait: Callable[[], None] = nothing


class Crossover(NamedTuple):
    """Seconds per step by target, one for each size; and by device, bytes per second that the limit's kernel moved."""

    rule: Rule
    dtype: str
    sizes: tuple[int, ...]
    seconds: dict[str, list[float]]
    bandwidth: dict[str, float]

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


def on_cuda(rule, dtype, size):
    from ..kernels.cuda import gpu

    opt = Optimizer(gpu.from_host(np.ones(size, dtype)), rule)
    g = gpu.from_host(np.ones(size, dtype))
    return lambda: opt.step(g)


def wait_for_cuda():
    from ..kernels.cuda import gpu

    gpu.finish()


def no_cuda() -> str | None:
    """Why steps on a GPU cannot be timed; None if they can be."""
    return "Numba's simulator takes the place of a GPU" if numba.config.ENABLE_CUDASIM else missing()


TARGETS = (
    Target("serial", "cpu", lambda: True, on_cpu(False)),
    Target("parallel", "cpu", lambda: numba.config.NUMBA_NUM_THREADS > 1, on_cpu(True)),
    Target("cuda", "cuda", lambda: no_cuda() is None, on_cuda, wait_for_cuda),
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
    runs = [(target, target.stepper(rule, np.dtype(dtype), size)) for target in present()]
    calls = {target.name: enough_calls(step, target.wait) for target, step in runs}
    samples: dict[str, list[float]] = {target.name: [] for target, _ in runs}
    for _ in range(ROUNDS):
        for target, step in runs:
            samples[target.name].append(lap(step, calls[target.name], target.wait))
    return samples


def bandwidth(rule: Rule, dtype: str, size: int) -> dict[str, float]:
    """By device, bytes per second at this size of a kernel that moves as many with hardly any arithmetic."""
    samples, out = by_turns(limit_of(rule), dtype, size), dict[str, float]()
    for target in present():
        moved = bytes_moved(rule, dtype, size) / median(samples[target.name])
        out[target.device] = max(moved, out.get(target.device, 0.0))
    return out


def enough_calls(step, wait=nothing) -> int:
    """How many calls fill a round: with few, the first of them, whose data left the caches, would weigh too much."""
    calls, laps = 1, 5 if lap(step, 1, wait) < 100 * ROUND else 1
    while (taken := min(lap(step, calls, wait) for _ in range(laps)) * calls) < ROUND / 2:  # least: not interrupted
        calls *= 2
    return max(1, round(calls * ROUND / taken))


def lap(step, calls: int, wait=nothing) -> float:
    """Seconds per call."""
    start = perf_counter()
    for _ in repeat(None, calls):
        step()
    wait()
    return (perf_counter() - start) / calls


def beats_from(crossover: Crossover, winner: str, *losers: str) -> float | None:
    """From what size on one target is faster than the best of others at every size measured; None where it never is.

    Between two sizes it is read off the straight line between the ratios, in logarithms.
    """
    best = map(min, zip(*(crossover.seconds[loser] for loser in losers)))
    ratios = [math.log(a / b) for a, b in zip(crossover.seconds[winner], best)]
    slower = [k for k, ratio in enumerate(ratios) if ratio >= 0]
    last = slower[-1] if slower else -1
    if last == len(ratios) - 1:
        return None
    if last < 0:
        return float(crossover.sizes[0])
    low, high = (math.log(crossover.sizes[k]) for k in (last, last + 1))
    return math.exp(low + (high - low) * ratios[last] / (ratios[last] - ratios[last + 1]))
