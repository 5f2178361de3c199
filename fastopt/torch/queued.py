"""Tensors that Python steps one by one: the calls wait in a queue, of which no interrupt leaves a part undone."""

from functools import partial
from operator import call
from typing import Any

from ..step.interrupts import to_the_end
from .parts import Part, count_of, on_host


class Queued(Part):
    _queue: Any = ()  # what a step calls: kernels, what counts their steps, and its end

    def look(self) -> bool:
        """Note which tensors have a gradient; whether there are some, as Python looks at all of them."""
        self.grads = [p.grad for p in self.params]
        self.live = [p for p, g in zip(self.params, self.grads) if g is not None]
        self.enqueue(())
        self._kept, self._copies = [], []  # of a step that was interrupted before it wrote
        return bool(self.live)

    def at(self, i) -> tuple:
        """The step that tensor i takes, and its own numbers before it. Waits for what is on a device."""
        step, state = self.keys[0], self.states[i]
        t = 1 + (count_of(self.names[i], state, step) if step else self.taken[i])
        return t, *(float(on_host(state, own)) for own in self.spelled.own.starts)

    def counting(self, i, at):
        """What writes down that tensor i took this step."""
        step, state, own = self.keys[0], self.states[i], self.spelled.own
        yield partial(self.taken.__setitem__, i, at[0])
        if step:
            yield partial(state[step].fill_, at[0])
        if own.starts:
            for name, value in zip(own.starts, own.following(*at, *self.numbers)):
                yield partial(state[name].fill_, value)

    def enqueue(self, calls):
        """Have these called by the step."""
        self._queue, self._called = calls, []

    def run(self):
        if self._queue:
            to_the_end(self.go_on)

    def go_on(self):
        """Call what is left of the queue. A call and its note are one to CPython, so no interrupt comes between."""
        self._called.extend(map(call, self._queue[len(self._called) :]))
