"""The loop of loops/many.py, compiled once for a number of lanes; beside it, each by its address, what it calls."""

import math
from functools import cache

from numba import from_dtype, prange, types

from ..linking import UNBOUND, each, join, link, stand_in
from ..rules import RULES
from . import minimize as looped
from . import sums
from .across import gather_into, largest_over, sweep_over
from .addresses import by_address
from .asked import blaming
from .bind import compiled, inlined, link_throughout
from .described import reader, vectors
from .digest import digest
from .loops import changes
from .loops import many as loop
from .loops.lanes import HIGH, LOW, OLD, SCALE, STATE, STEEPEST, G, X
from .loops.sums import item
from .loops.vectors import largest
from .modifiers import STAGES, stage_of
from .narrow import guarded, update_of

PLAIN = RULES[0]  # a rule without ``before``
WORDS = (types.int64,) * 4  # of a step: where lanes and coefficients are, how many variables, where kept numbers are
JOB = WORDS[:1]  # where it is described


# --- what is done to scalars -----------------------------------------------------------------------------------------


@stand_in
def stage(p, g, bound, first, scale, decay):
    """Stands for that of modifiers.py."""


def staged(p, g, bound, first, scale, decay):
    return (stage(p, g, bound, first, scale, decay),)


def same(x):
    return (x,)


def in_scale(x, g, scale):
    return x / scale, g * scale


def out_of_scale(x, old, scale):
    return (old + scale * (x - old / scale),)


def within(x, low, high):
    return (low if x < low else high if x > high else x,)


# --- the loop --------------------------------------------------------------------------------------------------------


@stand_in
def vector(address, size):
    """Stands for the vector at an address."""


def steepest_of_one(lanes, out, least):
    size = lanes.shape[1]
    most = largest(vector(lanes.ctypes.data + G * size * lanes.itemsize, size))
    out[STEEPEST, 0] = most
    return least < most < math.inf


def job_of(dtype):
    """The types of what a job describes, in the order in which ``work`` takes it."""
    one = from_dtype(dtype)
    (matrix, matrices), (tests, table), (plan, counts) = (
        [types.Array(kind, n, "C") for n in ns]
        for kind, ns in ((one, (2, 3)), (types.float64, (1, 2)), (types.int64, (1, 2)))
    )
    of_problems, of_course = (matrices, table, counts, matrices, matrix), (table, tests, plan, plan)
    return *of_problems, *of_course, matrices, matrix, matrix, table, counts


@cache
def worker(dtype, lanes):
    """The compiled loop."""
    of_one = link(steepest_of_one, vector=vectors(types.Array(from_dtype(dtype), 1, "C")))
    bound = link_throughout(
        loop.work,
        loop.HOT,
        loop.COLD,
        LANES=lanes,
        read=reader(*job_of(dtype)),
        call=by_address(types.none),
        steepest=largest_over(G, STEEPEST, lanes) if lanes > 1 else of_one,
        gather=gather_into(from_dtype(dtype), lanes),
        keep_old=sweep(same, (X,), (OLD,), 0, dtype, lanes),
    )
    return compiled(bound, f"many_{dtype}_{lanes}", types.void(*JOB))


def sweep(function, reads, writes, count, dtype, lanes):
    return sweep_over(inlined(function), reads, writes, count, lanes, from_dtype(dtype))


@cache
def changer(name, rule, dtype, lanes):
    """What comes before the step, ``change``, or after it, ``correct``; of all rules the same, but for ``before``."""
    if rule.before is None and rule is not PLAIN:
        return changer(name, PLAIN, dtype, lanes)
    in_stage = guarded(link(staged, stage=stage_of(rule)), rule.name)
    own = {
        "to_scale": (in_scale, (X, G, SCALE), (X, G), 0),
        "stage": (in_stage, (X, G), (G,), STAGES),
        "scaled_back": (out_of_scale, (X, OLD, SCALE), (X,), 0),
        "project": (within, (X, LOW, HIGH), (X,), 0),
    }
    template = getattr(changes, name)
    used = {key: sweep(*what, dtype, lanes) for key, what in own.items() if key in template.__code__.co_names}
    bound = link_throughout(template, LANES=lanes, read=reader(*job_of(dtype)), **used)
    seen = digest(in_stage)
    with blaming(rule):
        name = f"many_{name}_{dtype}_{lanes}"
        return compiled(bound, name, types.void(*JOB), cached=seen is not None, besides=f"{seen}")


@cache
def step(rule, dtype, lanes):
    """A rule's step, of all lanes; of a rule with sums there is one."""
    if rule.reduces:
        with blaming(rule):
            return compiled(_once_by_sums(rule, dtype), f"{rule.name}_many_{dtype}_sums", types.void(*WORDS))
    slots, count = tuple(range(STATE, STATE + len(rule.state))), rule.width
    bound = link(once, sweep_of=sweep(update_of(rule), (X, G, *slots), (X, *slots), count, dtype, lanes))
    seen = digest(rule.update)  # which the walk from the kernel does not find
    name = f"{rule.name}_many_{dtype}_{lanes}"
    besides = f"{seen} {len(slots)} {count}"
    with blaming(rule):
        return compiled(bound, name, types.void(*WORDS), cached=seen is not None, besides=besides)


@stand_in
def sweep_of(lanes, numbers, size):
    """Stands for a sweep (across.py)."""


def once(lanes, numbers, size, kept):
    sweep_of(lanes, numbers, size)


@stand_in
def advance(p, g, state, c, kept):
    """Stands for the step of a rule with sums (loops/sums.py)."""


@stand_in
def kept_at(address, size):
    """Stands for the vector of kept numbers at an address."""


@stand_in
def state_at(lanes, slot, size):
    """Stands for the tuple of the state's vectors."""


@stand_in
def items(numbers):
    """Stands for the tuple of a vector's numbers."""


AT = KEEPS = COEFFICIENTS = ITEMSIZE = UNBOUND


def one_state(lanes, slot, size):
    return (vector(lanes + AT * slot, size),)


def once_by_sums(lanes, numbers, size, kept):
    slot = size * ITEMSIZE
    x, g, state = vector(lanes + X * slot, size), vector(lanes + G * slot, size), state_at(lanes, slot, size)
    advance(x, g, state, items(vector(numbers, COEFFICIENTS)), kept_at(kept, KEEPS))


def _once_by_sums(rule, dtype):
    at = vectors(types.Array(from_dtype(dtype), 1, "C"))
    return link(
        once_by_sums,
        vector=at,
        kept_at=vectors(types.Array(types.float64, 1, "C")),
        state_at=each(link(one_state, vector=at, AT=STATE), join, STATE, STATE + len(rule.state)),
        items=each(item, join, 0, rule.width),
        advance=sums.linked(rule)["advance"],
        ITEMSIZE=dtype.itemsize,
        COEFFICIENTS=rule.width,
        KEEPS=len(rule.keeps),
    )


def table_kernel(rule):
    """Fills a table with the coefficients of the steps after ``first``, the stage's too."""
    return looped.table_kernel(rule, True)


@cache
def launcher():
    """Runs the loop at an address for each of these jobs, whose descriptions lie so many bytes apart, in parallel."""
    return compiled(launch, "launch", types.void(*(types.int64,) * 4), parallel=True)


def launch(work, jobs, apart, count):
    for k in prange(count):
        call(work, (jobs + k * apart,))


call = by_address(types.none)
