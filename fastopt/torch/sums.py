"""Tensors of rules that look at whole arrays first: all are summed, and what that says combined, before one is stepped.

What a rule keeps is in the state of each tensor, as plain floats: PyTorch rounds the tensors of a state that it loads
to the dtype of their parameter, and a kept number has more digits than a float32. Where sums are over all parameters,
each state says the same of all of them, and how many steps they have taken together.
"""

import struct
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from ..errors import describe
from ..kernels import sums as kernels
from ..kernels.counts import LEFT, Counts
from ..kernels.cpu import step
from ..kernels.modifiers import staged
from ..step.interrupts import to_the_end
from ..targets.cpu_steps import check
from .names import STEPS
from .parts import number, whole
from .queued import Queued


class One(NamedTuple):
    """A tensor that is stepped: which of its part it is, the step and its own numbers, and its flat arrays."""

    i: int
    at: tuple
    arrays: tuple


class SumsPart(Queued):
    """On the CPU.

    Attributes
    ----------
    ones : list of One
        What is stepped.
    """

    def __init__(self, optimizer, *given):
        super().__init__(optimizer, *given)
        self._groups = optimizer.param_groups
        self._counts, self._steps = Counts(), []
        self._together: list = []  # of the parts that are stepped at once, in the first of them
        self.ones: list[One] = []

    def look(self) -> bool:
        self.ones, self._steps, self._together = [], [], []
        return super().look()

    def _make_state(self, p) -> list:
        state, made = self.state[p], super()._make_state(p)
        for name, option in self.spelled.keeps:
            if state.get(name) is None:
                state[name] = self._start(name, option)
                made.append(name)
        return made

    def _start(self, name, option) -> float:
        """What a number is at first: of all parameters what it is, or where the first group starts it."""
        first = self.group
        if self.spelled.rule.across:
            states = (self.state.get(p, {}) for group in self._groups for p in group["params"])
            if found := [state[name] for state in states if state.get(name) is not None]:
                return found[0]
            first = self._groups[0]
        return number(option, first[option]) if option else 0.0

    # --- before anything is written ---------------------------------------------------------------------------------

    def settle(self):
        """Find all arrays. Raises where something is none of this part's."""
        self.ones = [One(i, self.at(i), self._arrays(i)) for i, g in enumerate(self.grads) if g is not None]

    def _arrays(self, i):
        p, g, *state = self.pieces(i)
        if _is_unfit(g, (p, *state)):
            g = g.clone()
        p, g, *state = (t.detach().numpy().reshape(-1) for t in (p, g, *state))
        return p, g, tuple(state)

    @property
    def bound(self):
        """The rule, with the stage where there is one."""
        return staged(self.spelled.rule) if self.stage else self.spelled.rule

    def coefficients(self, t):
        return kernels.coefficients_of(self.bound, self.numpy_dtype, t, self.numbers)

    def add_sums(self, kept, found, threads):
        """Add the sums of each tensor that is stepped to an array for it, with what is kept of it."""
        for (_, (t, *_), arrays), numbers, out in zip(self.ones, kept, found):
            kernels.add_sums(self.bound, arrays, self.coefficients(t), numbers, out, threads)

    def combined(self, t, found, kept):
        """What the rule makes of sums at its step t: more coefficients, and what is kept then."""
        return self.bound.combine(self.coefficients(t), tuple(found.tolist()), kept)

    def kept_of(self, i) -> tuple:
        """The numbers that the rule keeps of tensor i."""
        return tuple(_float(f"the state {name!r} of {self.names[i]}", self.states[i][name]) for name in self.kept)

    # --- the step ---------------------------------------------------------------------------------------------------

    def take(self, extras, kept, threads):
        """Be ready to step: of each tensor what its sums add to the coefficients; for tensors what is kept then."""
        launches = self.launches(extras, threads)
        counting = [note for one in self.ones for note in self.counting(one.i, one.at)]
        keeping = [partial(self.states[i].update, dict(zip(self.kept, new))) for i, new in kept]
        self.enqueue([*launches, *counting, *keeping, self.finish])

    def launches(self, extras, threads):
        """What of the steps waits in the queue: nothing, as kernels note themselves how many of them are left."""
        rule, dtype, counts = self.spelled.rule, self.numpy_dtype, self._counts.address
        self._steps = []
        for (_, (t, *_), (p, g, state)), extra in zip(self.ones, extras):
            run = step(rule, dtype, p.size, stage=self.stage, threads=threads)
            self._steps.append(partial(run, p, g, state, counts, t, (*self.numbers, *extra)))
        self._counts.cells[LEFT] = len(self._steps)
        return ()

    def go_on(self):
        for one in self._steps[len(self._steps) - self._counts.cells[LEFT] :]:
            check(one())
        super().go_on()

    def together_with(self, parts):
        """Step these parts in the step of this one."""
        self._together = parts

    def run(self):
        if self._together:
            with kept_threads():
                to_the_end(lambda: [part.go_on() for part in self._together])


def take_sums(parts):
    """Sum, and combine, what parts with such a rule are to step."""
    parts = [part for part in parts if part.spelled.rule.reduces]
    across = [part for part in parts if part.spelled.rule.across]
    if not any(part.ones for part in parts):
        return
    with kept_threads() as threads:
        for part in parts:
            if part not in across:
                _of_each(part, threads)
        if any(part.ones for part in across):
            _of_all(across, threads)
    parts[0].together_with(parts)


def _of_each(part, threads):
    kept, found = [part.kept_of(one.i) for one in part.ones], [_no_sums(part) for _ in part.ones]
    part.add_sums(kept, found, threads)
    made = [part.combined(one.at[0], *given) for one, *given in zip(part.ones, found, kept)]
    part.take([extra for extra, _ in made], [(one.i, new) for one, (_, new) in zip(part.ones, made)], threads)


def _of_all(parts, threads):
    """With the coefficients of the first group."""
    stated = [[i for i, s in enumerate(part.states) if s is not part.nothing] for part in parts]
    (*kept, steps), found = _one_for_all(parts, stated), _no_sums(parts[0])
    t = 1 + whole(f"the state {STEPS!r}", steps)
    for part in parts:
        part.add_sums([tuple(kept)] * len(part.ones), [found] * len(part.ones), threads)
    extra, new = parts[0].combined(t, found, tuple(kept))
    for part, those in zip(parts, stated):
        part.take([extra] * len(part.ones), [(i, (*new, float(t))) for i in those], threads)


def _no_sums(part):
    return np.zeros(len(part.bound.reduces))


def _one_for_all(parts, stated) -> tuple:
    """The kept numbers that are in all states. Raises where these, or the rules, do not agree."""
    label, rules = parts[0].label, [part.spelled.rule for part in parts]
    if len({(rule.combine, tuple(rule.reduces), rule.keeps) for rule in rules}) > 1:
        raise ValueError(f"groups of {label} must have one way to sum, got options that pick rules of other sums")
    (name, kept), *others = [(part.names[i], part.kept_of(i)) for part, those in zip(parts, stated) for i in those]
    for other, numbers in others:
        for key, one, two in zip(parts[0].kept, kept, numbers):
            if struct.pack("d", one) != struct.pack("d", two):
                raise RuntimeError(
                    f"the state {key!r} must be the same in all parameters of {label}, got {one:g} in that of {name}, "
                    f"{two:g} in that of {other}"
                )
    return kept


@contextmanager
def kept_threads():
    """PyTorch's number of threads, which Numba's may change as they start, and which is set again."""
    threads = torch.get_num_threads()
    try:
        yield threads
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _is_unfit(g, others) -> bool:
    """Whether a kernel would refuse a gradient: for its place, or as it shares memory with what is written."""
    start, end = g.data_ptr(), g.data_ptr() + g.nbytes
    shares = any(start < t.data_ptr() + t.nbytes and t.data_ptr() < end for t in others)
    return shares or start % g.itemsize != 0


def _float(what, value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{what} must be a number, got {describe(value)}") from None
