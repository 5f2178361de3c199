"""An objective as loops/many.py evaluates it: one compiled function of addresses alone, whatever the arguments are.

With one lane it finds the rows of a problem itself; with several they lie in a buffer, side by side.
"""

import math

import numpy as np
from numba import types

from ..linking import link, stand_in
from .bind import compiled
from .described import WORD, Item, described, reader, stores, vectors, words_of
from .tuples import at

KIND = types.void(*(types.int64,) * 6)


@stand_in
def evaluate(fun, jac, x, g, args, low, high):
    """Stands for the objective (loops/objective.py)."""


@stand_in
def vector(address, size):
    """Stands for a vector at an address (described.py)."""


@stand_in
def rows(context, base):
    """Stands for the reader of arrays with an axis of problems, or of one's rows in lanes; the next ones of others."""


@stand_in
def shared(context, base):
    """What all problems share."""


@stand_in
def store(address, number):
    """Stands for what writes values to an address."""


@stand_in
def limits(context, base):
    """The bounds."""


ROWS, SHARED = 0, 0  # how many bytes these descriptions take


def alone(context, which, x, g, found, size):
    """Of the problem with this number."""
    low, high = limits(context + ROWS + SHARED, 0)
    args = at(rows(context, 0), which) + shared(context + ROWS, 0)
    store(found, evaluate(0, 0, vector(x, size), vector(g, size), args, low[which], high[which]))


def side_by_side(context, buffer, x, g, found, size):
    """Of the problems whose rows are in this buffer."""
    gs = vector(g, size)
    args = rows(context, buffer) + shared(context + ROWS, 0)
    store(found, evaluate(0, 0, vector(x, size), gs, args, gs, gs))


class Kinds:
    """The Numba types of x and of an objective's arguments, for so many lanes; ``args`` have an axis of problems."""

    def __init__(self, scalar, args, shared, lanes):
        self.shared, self.lanes, self.element = tuple(shared), lanes, scalar
        self.limits = (types.Array(scalar, 2, "C"),) * 2
        self.rows = tuple(args)
        if lanes > 1:
            self.element = lane_of(scalar, lanes)
            self.rows = tuple(self._beside(kind) for kind in args)
        self.x = types.Array(self.element, 1, "C")

    def _beside(self, kind):
        return types.Array(self.element, kind.ndim - 1, "C") if kind.ndim > 1 else Item(self.element)

    def given(self):
        """The types of the arguments as the objective is given them."""
        own = [getattr(kind, "kind", kind) if self.lanes > 1 else row_of(kind) for kind in self.rows]
        return (*own, *self.shared)

    def compiled(self, evaluate, what, cached):
        """The evaluation as one function of addresses."""
        sizes = [WORD * sum(map(words_of, kinds)) for kinds in (self.rows, self.shared)]
        names = {"vector": vectors(self.x), "store": stores(self.lanes)}
        names |= {"ROWS": sizes[0], "rows": reader(*self.rows), "shared": reader(*self.shared), "evaluate": evaluate}
        if self.lanes == 1:
            names |= {"SHARED": sizes[1], "limits": reader(*self.limits)}
        template = link(side_by_side if self.lanes > 1 else alone, **names)
        besides = f"{what} {self.x} {[getattr(kind, 'kind', kind) for kind in self.rows]} {self.shared}"
        return compiled(template, "evaluation", KIND, cached=cached, besides=besides)

    def context(self, args, shared, limits):
        """What is described at the context's address."""
        rows = described(args, self.rows) if self.lanes == 1 else self._in_a_buffer(args)
        return np.concatenate([rows, described((*shared, *limits), (*self.shared, *self.limits))])

    def _in_a_buffer(self, args):
        """Rows one after the other, of which the buffer's address will be known."""
        words, at = [], 0
        for a in args:
            one = a.itemsize * self.lanes
            strides = [one * math.prod(a.shape[i + 1 :]) for i in range(1, a.ndim)]
            words += [at, *a.shape[1:], *strides]
            at += one * math.prod(a.shape[1:])
        return np.array(words, np.int64)


def lane_of(scalar, lanes):
    from ..numbers import views  # noqa: F401  which has taught Numba all of lanes
    from ..numbers.lane import Lane

    return Lane(scalar, lanes)


def row_of(kind):
    """What ``a[i]`` is of an array of this type."""
    if not isinstance(kind, types.Array):
        raise TypeError(f"args must be arrays with a leading axis of problems, got {kind}")
    layout = "A" if kind.layout == "F" else kind.layout  # a row of an array in Fortran order has strides
    return kind.copy(ndim=kind.ndim - 1, layout=layout) if kind.ndim > 1 else kind.dtype
