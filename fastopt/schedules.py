"""Schedules: hyperparameters that change with the step.

A schedule is a callable ``step -> float``; the first update asks for step 0. Any hyperparameter may be one:

>>> import numpy as np, fastopt
>>> from fastopt import schedules
>>> opt = fastopt.Adam(np.zeros(3), lr=schedules.warmup(100, schedules.cosine(1e-3, 10_000)))

A function of your own serves as well, if its value depends on the step alone: a resumed run starts in the middle. It is
called once for each step, in order, and never for one after the last; compiled loops tabulate some steps ahead, so that
a `minimize` that stops early has asked for a few that it did not take (an eighth at most, or 8). Those here can be
pickled, and their repr is the call that made them.
`@njit` code of your own takes their values, `schedule.table(n)`.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from .checks import count, integer, number, positive, shown
from .errors import quote
from .plateau import Plateau, plateau

__all__ = ["Schedule", "chain", "constant", "cosine", "exponential", "inverse_time", "piecewise"]
__all__ += ["plateau", "polynomial", "step", "warmup"]

StepFunction = Callable[[int], float]


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """A function of the step that remembers the call `maker(*arguments)` it came from, to print and pickle it."""

    function: StepFunction
    maker: Callable[..., "Schedule"]
    arguments: tuple[Any, ...]

    def __call__(self, step: int) -> float:
        return float(self.function(step))

    def table(self, n: int, first: int = 0) -> np.ndarray:
        """The values at `n` steps from `first` on, as float64: what `@njit` code takes instead of a schedule.

        >>> constant(0.1).table(3)
        array([0.1, 0.1, 0.1])
        """
        n, first = integer("n", n), integer("first", first)
        if n < 0 or first < 0:
            raise ValueError(f"n and first must be at least 0, got {n} and {first}")
        return np.array([self(step) for step in range(first, first + n)], dtype=np.float64)

    def __repr__(self) -> str:
        shown = list(self.arguments)
        for default in reversed(self.maker.__defaults__ or ()):
            if shown[-1] != default:
                break
            shown.pop()
        return f"{self.maker.__name__}({', '.join(map(repr, shown))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.maker, self.arguments


def constant(value: float) -> Schedule:
    """The same value at every step.

    Raises TypeError for anything but a number, ValueError for NaN and infinity.

    >>> constant(0.1)(1000)
    0.1
    """
    value = number("value", value)
    return Schedule(lambda step: value, constant, (value,))


def step(value: float, every: int, factor: float = 0.1) -> Schedule:
    """A staircase: `value` multiplied by `factor` after `every` steps, again and again.

    value · factor^⌊step / every⌋

    every: the length of a tread, in steps. factor: positive.
    Raises TypeError for a wrong kind, ValueError out of range; when called, OverflowError beyond any float.

    >>> stairs = step(1.0, every=10, factor=0.5)
    >>> stairs(9), stairs(10), stairs(20)
    (1.0, 0.5, 0.25)
    """
    value, every, factor = number("value", value), count("every", every), positive("factor", factor)
    return Schedule(lambda step: value * factor ** (step // every), step, (value, every, factor))


def exponential(value: float, rate: float, every: int = 1) -> Schedule:
    """Smooth exponential change: `value` is multiplied by `rate` over every `every` steps.

    value · rate^(step / every)

    rate: positive; below 1 it decays, above 1 it grows (to find a learning rate). every: in steps.
    Raises TypeError for a wrong kind, ValueError out of range; when called, OverflowError beyond any float.

    >>> exponential(1.0, 0.25, every=10)(5)
    0.5
    """
    value, rate, every = number("value", value), positive("rate", rate), count("every", every)
    return Schedule(lambda step: value * rate ** (step / every), exponential, (value, rate, every))


def inverse_time(value: float, rate: float) -> Schedule:
    """Decay like 1/step: slow enough to go any distance, fast enough for noise to average out.

    value / (1 + rate · step)

    rate: positive; half the value after 1/rate steps. Raises TypeError for a wrong kind, ValueError out of range.

    >>> inverse_time(1.0, 0.1)(10)
    0.5
    """
    value, rate = number("value", value), positive("rate", rate)
    return Schedule(lambda step: value / (1 + rate * step), inverse_time, (value, rate))


def polynomial(value: float, steps: int, end: float = 0.0, power: float = 1.0) -> Schedule:
    """From `value` to `end` in `steps` steps, as a power of the time left; from then on `end`.

    end + (value − end) · (1 − step/steps)^power

    steps: how long it takes. power: positive; 1 is a straight line.
    Raises TypeError for a wrong kind, ValueError out of range.

    >>> line = polynomial(1.0, 10)
    >>> line(0), line(5), line(10), line(99)
    (1.0, 0.5, 0.0, 0.0)
    """
    value, steps, end = number("value", value), count("steps", steps), number("end", end)
    power = positive("power", power)
    return Schedule(
        lambda step: end + (value - end) * (1 - min(step, steps) / steps) ** power,
        polynomial,
        (value, steps, end, power),
    )


def cosine(value: float, steps: int, end: float = 0.0) -> Schedule:
    """From `value` to `end` in `steps` steps, along half a cosine, gentle at both ends; from then on `end`.

    end + (value − end) · (1 + cos(π · step/steps)) / 2

    steps: how long it takes. Raises TypeError for a wrong kind, ValueError out of range.

    >>> wave = cosine(1.0, 10)
    >>> wave(0), wave(5), wave(10)
    (1.0, 0.5, 0.0)
    """
    value, steps, end = number("value", value), count("steps", steps), number("end", end)

    def at(step: int) -> float:
        x = min(step, steps) / steps
        return end + (value - end) * 0.5 * (1 + math.cos(math.pi * x))

    return Schedule(at, cosine, (value, steps, end))


def warmup(steps: int, schedule: float | StepFunction, start: float = 0.0) -> Schedule:
    """A straight line from `start` up to where `schedule` begins, in `steps` steps; then `schedule` from its step 0.

    start + (schedule(0) − start) · step/steps, then schedule(step − steps)

    steps: the length of the line. schedule: a schedule or a number. start: if it is 0, the first update moves nothing.
    Raises TypeError for a wrong kind, ValueError out of range.

    >>> rise = warmup(4, cosine(1.0, 10))
    >>> rise(0), rise(1), rise(4), rise(9)
    (0.0, 0.25, 1.0, 0.5)
    """
    steps, after, start = count("steps", steps), _schedule("schedule", schedule), number("start", start)

    def at(step: int) -> float:
        if step >= steps:
            return after(step - steps)
        return start + (after(0) - start) * step / steps

    return Schedule(at, warmup, (steps, schedule, start))


def piecewise(values: Mapping[int, float]) -> Schedule:
    """Constant pieces: `values` maps the step at which a piece begins to its value.

    values[b] for the largest b ≤ step

    values: its first step is 0. Raises TypeError for a wrong kind, ValueError out of range.

    >>> pieces = piecewise({0: 0.1, 1000: 0.01})
    >>> pieces(999), pieces(1000)
    (0.1, 0.01)
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a mapping from steps to numbers, got {shown(values)}")
    pieces = {integer("a step of values", b): number(f"values[{quote(b, 40)}]", v) for b, v in values.items()}
    begins = sorted(pieces)
    if begins[:1] != [0]:
        raise ValueError(f"the first step of values must be 0, got {shown(begins[0]) if begins else 'none'}")
    return Schedule(lambda step: pieces[begins[bisect_right(begins, step) - 1]], piecewise, (pieces,))


def chain(*phases: Any) -> Schedule:
    """Schedules one after the other, each from its own step 0: `chain((first, steps), …, last)`.

    phases: pairs of a schedule (or a number) and the steps it lasts; then a schedule or a number for the rest.
    Raises TypeError for a wrong kind, ValueError out of range.

    >>> both = chain((constant(1.0), 5), polynomial(1.0, 10))
    >>> both(4), both(5), both(10)
    (1.0, 1.0, 0.5)
    """
    if len(phases) < 2:
        raise TypeError(f"chain takes (schedule, steps) pairs and a last schedule, got only {len(phases)}")
    begins, schedules, kept = [0], [], []
    for i, phase in enumerate(phases[:-1]):
        if not (isinstance(phase, tuple) and len(phase) == 2):
            raise TypeError(f"phase {i} of chain must be a pair (schedule, steps), got {shown(phase)}")
        schedules.append(_schedule(f"the schedule of phase {i}", phase[0]))
        kept.append((phase[0], count(f"the steps of phase {i}", phase[1])))
        begins.append(begins[-1] + kept[-1][1])
    schedules.append(_schedule("the last phase", phases[-1]))

    def at(step: int) -> float:
        i = bisect_right(begins, step) - 1
        return schedules[i](step - begins[i])

    return Schedule(at, chain, (*kept, phases[-1]))


def _schedule(name: str, x: Any) -> StepFunction:
    if callable(x):
        return x
    if not isinstance(x, Real):
        raise TypeError(f"{name} must be a schedule or a number, got {shown(x)}")
    return constant(number(name, x))


def plateaus_in(value: Any) -> list[Plateau]:
    """The plateaus that a hyperparameter is, or is made of: their state is saved, and `fit` feeds them."""
    if isinstance(value, Plateau):
        return [value]
    parts = value.arguments if isinstance(value, Schedule) else value if isinstance(value, tuple) else ()
    return [found for part in parts for found in plateaus_in(part)]
