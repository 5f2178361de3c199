"""The loops. They know no algorithm: ``update`` and ``coefficients`` are bound in, one pair per kernel (bind.py)."""

from numba import prange

from ..stand_ins import stand_in
from ..subnormals import flush_off, flush_on
from ..tuples import at, cast_like, part, put

SIZE, OVERLAP, ALIGNMENT = 1, 2, 3  # what a step returns when it refused the gradient, with nothing written


@stand_in
def update(p, g, *state_and_coefficients):
    """Stands for a rule's update."""


@stand_in
def coefficients(t, *hyper):
    """Stands for a rule's coefficients."""


def apart(a, b):
    """Whether no byte is shared."""
    i, j = a.ctypes.data, b.ctypes.data
    return i + a.size * a.itemsize <= j or j + b.size * b.itemsize <= i


def fault(p, g, state):
    """Why this gradient cannot be stepped with, or 0. Costs a few ns; parallel loops assume that nothing overlaps."""
    if g.size != p.size:
        return SIZE
    if g.ctypes.data % g.itemsize != 0:
        return ALIGNMENT
    if p.size > 0:
        if not apart(g, p):
            return OVERLAP
        for s in state:
            if not apart(g, s):
                return OVERLAP
    return 0


def elements(p, g, state, c):
    """The only loop over elements. ``c``: the coefficients in the dtype of the arrays."""
    for i in range(p.size):
        new = update(p[i], g[i], *(at(state, i) + c))
        p[i] = new[0]
        put(state, i, new[1:])


def sweep(p, g, state, c):
    """The loop, with subnormal numbers counted as zero."""
    control = flush_on()
    elements(p, g, state, c)
    flush_off(control)


def serial(p, g, state, t, h):
    """One step in place on flat arrays. ``t`` is 1 at the first step, ``h`` the hyperparameters as floats."""
    bad = fault(p, g, state)
    if bad == 0:
        sweep(p, g, state, cast_like(coefficients(t, *h), p))
    return bad


def parallel(p, g, state, t, h, chunks):
    """The same sweep on slices, so the same bits, and it vectorises where a loop from i to j would not."""
    bad = fault(p, g, state)
    if bad == 0:
        c = cast_like(coefficients(t, *h), p)
        n = p.size
        for k in prange(chunks):
            i, j = n * k // chunks, n * (k + 1) // chunks
            sweep(p[i:j], g[i:j], part(state, i, j), c)
    return bad
