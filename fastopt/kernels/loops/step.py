"""The loops. They know no algorithm: ``update`` and ``coefficients`` are bound in, one pair per kernel (bind.py)."""

from numba import prange

from ...linking import stand_in
from ..counts import ALONE, HELD, LEFT, T, claim, load, store
from ..subnormals import flush_off, flush_on
from ..threads import limit_threads, restore_threads
from ..tuples import address, at, cast_like, part, put

SIZE, OVERLAP, ALIGNMENT = 1, 2, 3  # what a step returns when it refused the gradient, with nothing written
BUSY = 4  # or when another thread is stepping this optimiser


@stand_in
def update(p, g, *state_and_coefficients):
    """Stands for a rule's update."""


@stand_in
def coefficients(t, *hyper):
    """Stands for a rule's coefficients."""


def apart(a, b):
    """Whether no byte is shared."""
    i, j = address(a), address(b)
    return i + a.size * a.itemsize <= j or j + b.size * b.itemsize <= i


def fault(p, g, state):
    """Why this gradient cannot be stepped with, or 0. Costs a few ns; parallel loops assume that nothing overlaps."""
    if g.size != p.size:
        return SIZE
    if address(g) % g.itemsize != 0:
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


def begin(counts, t):
    """The count of this step, or 0 if it may not be taken now.

    Without counts it is t, and with a positive t, for one of the calls of a step that Python holds the optimiser for.
    0 is for all of the next step, whichever that is, and a negative t for all of step -t, if that is the next.
    """
    if t > 0:
        return t
    if not claim(counts, ALONE):
        return 0
    following = load(counts, T) + 1
    if load(counts, HELD) == 0 and (t == 0 or following == -t):
        return following
    store(counts, ALONE, 0)
    return 0


def end(counts, t):
    """Count what began so."""
    if counts == 0:
        return
    left = load(counts, LEFT) - 1 if t > 0 else 0
    if left == 0:
        store(counts, T, load(counts, T) + 1)
    store(counts, LEFT if t > 0 else ALONE, left)


def serial(p, g, state, counts, t, h):
    """One step in place on flat arrays. ``counts`` is the address of counts.py's cells, or 0, and t for ``begin``.

    ``h`` holds the hyperparameters as floats. Step 1 is the first.
    """
    bad = fault(p, g, state)
    if bad == 0:
        count = begin(counts, t)
        if count == 0:
            return BUSY
        sweep(p, g, state, cast_like(coefficients(count, *h), p))
        end(counts, t)
    return bad


def parallel(p, g, state, counts, t, h, chunks):
    """The same sweep on slices, so the same bits, and it vectorises where a loop from i to j would not.

    On as many threads: the number is set here, where no interrupt can keep it from being set back.
    """
    bad = fault(p, g, state)
    if bad == 0:
        count = begin(counts, t)
        if count == 0:
            return BUSY
        c = cast_like(coefficients(count, *h), p)
        n = p.size
        before = limit_threads(chunks)
        for k in prange(chunks):
            i, j = n * k // chunks, n * (k + 1) // chunks
            sweep(p[i:j], g[i:j], part(state, i, j), c)
        restore_threads(before)
        end(counts, t)
    return bad
