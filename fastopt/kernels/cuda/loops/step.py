"""The loop of a step on CUDA: what one thread of the grid does. Like loops/step.py of the CPU it knows no algorithm.

Arrays are pointers to flat memory, so that a launch takes plain integers. What stands for something is bound in, once
per kernel (cuda/bind.py); the names ``cuda``, ``THREADS`` and ``AT`` too.
"""

from ....linking import UNBOUND, stand_in
from ...modifiers import rescaled
from .tuples import put, read, take, write

cuda = UNBOUND
EACH = 4  # elements that a thread of ``sweep`` has in flight


@stand_in
def update(p, g, *state_and_coefficients):
    """Stands for a rule's update."""


@stand_in
def coefficients(t, *hyper):
    """Stands for a rule's coefficients."""


@stand_in
def prepare(*given):
    """Stands for one of the five functions below."""


@stand_in
def loaded():
    """Stands for a barrier. Loads would sink to their first use, behind the branches of roots and divisions."""


def plain(c):
    """The coefficients, in the dtype of the arrays."""
    return c


def held(memory):
    """The coefficients that ``advance`` left on the device."""
    return take(memory)


def scaled(c, factor):
    """With the factor of ``clip_norm``, which is on the device."""
    return rescaled(c, factor[0])


def held_scaled(memory, factor):
    return rescaled(take(memory), factor[0])


@stand_in
def of_extra(memory):
    """Stands for ``take`` of what the rule made of its sums."""


@stand_in
def own(*there):
    """Stands for ``held`` or ``held_scaled``."""


def informed(there, extra):
    """With what the rule made of its sums, which is on the device."""
    return own(*there) + of_extra(extra)


def sweep(p, g, state, n, given):
    """One step. A block's tile is EACH elements per thread; all are loaded before the first is used."""
    c = prepare(*given)
    w = cuda.blockDim.x
    tile = EACH * w
    start = cuda.blockIdx.x * tile
    while start < n:
        i = start + cuda.threadIdx.x
        if start + tile <= n:
            j, k, l = i + w, i + 2 * w, i + 3 * w  # noqa: E741
            p0, p1, p2, p3 = p[i], p[j], p[k], p[l]
            g0, g1, g2, g3 = g[i], g[j], g[k], g[l]
            s0, s1, s2, s3 = read(state, i), read(state, j), read(state, k), read(state, l)
            loaded()
            new0, new1 = update(p0, g0, *(s0 + c)), update(p1, g1, *(s1 + c))
            new2, new3 = update(p2, g2, *(s2 + c)), update(p3, g3, *(s3 + c))
            p[i], p[j], p[k], p[l] = new0[0], new1[0], new2[0], new3[0]
            write(state, i, new0)
            write(state, j, new1)
            write(state, k, new2)
            write(state, l, new3)
        else:
            while i < n:
                new = update(p[i], g[i], *(read(state, i) + c))
                p[i] = new[0]
                write(state, i, new)
                i += w
        start += cuda.gridDim.x * tile


def advance(t, by, hyper, memory):
    """Count a step on the device, and leave the coefficients there: in one thread."""
    t[0] += by
    put(memory, coefficients(t[0], *take(hyper)))
