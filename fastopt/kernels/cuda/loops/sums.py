"""Sums that a rule takes before its step, on the device: what loops/sums.py does on the CPU. Elements and coefficients
are those of the arrays' dtype, in float64; names are bound in as in step.py."""

from numba import types

from ....linking import UNBOUND, stand_in
from ...loops.minimize import KEPT
from .minimize import cast_like
from .tuples import put, read, take

AT = UNBOUND


@stand_in
def prepare(*there):
    """Stands for one of the functions of step.py that read coefficients on the device."""


@stand_in
def wide(numbers):
    """Stands for a tuple of numbers in float64."""


@stand_in
def term(p, g, *numbers):
    """Stands for a function of a rule's ``reduces``, as the next two do."""


second = third = term


@stand_in
def combine(c, sums, kept):
    """Stands for a rule's ``combine``."""


def one_wide(numbers):
    return (types.float64(numbers[AT]),)


def no_term(p, g, *numbers):
    return 0.0


def note(memory, numbers):
    """Leave coefficients on the device: in one thread."""
    put(memory, numbers)


def terms(given, k):
    """For ``total`` of norms.py, which adds up three numbers at a time."""
    p, g, state, kept, there = given
    numbers = wide((p[k], g[k]) + read(state, k) + prepare(*there)) + take(kept)
    return term(*numbers), second(*numbers), third(*numbers)


@stand_in
def of_sums(memory):
    """Stands for ``take`` of the sums, as the next does for ``put`` of what is added to the coefficients."""


@stand_in
def put_extra(memory, numbers):
    """See above."""


def conclude(there, sums, kept, extra32, extra64):
    """What the rule makes of its sums, in both dtypes, and what it keeps: in one thread."""
    extra, new = combine(wide(prepare(*there)), of_sums(sums), take(kept))
    put_extra(extra32, extra)
    put_extra(extra64, extra)
    put(kept, new)


# --- of one problem in a thread --------------------------------------------------------------------------------------


@stand_in
def at(arrays, i):
    """Stands for the state of element i."""


@stand_in
def sums_of(x, g, state, numbers):
    """Stands for ``one_sum`` of each function."""


@stand_in
def kept_of(numbers):
    """Stands for ``one_kept`` of each number, as the next does for ``keep_one``."""


@stand_in
def keep(numbers, new):
    """See above."""


@stand_in
def elements(x, g, state, c):
    """Stands for the loop over elements."""


def one_sum(x, g, state, numbers):
    total = 0.0
    for i in range(x.size):
        total += term(*(wide((x[i], g[i]) + at(state, i)) + numbers))
    return (total,)


def one_kept(numbers):
    return (numbers[KEPT + AT],)


def keep_one(numbers, new):
    numbers[KEPT + AT] = new[AT]


def advance(x, g, state, c, numbers):
    """For ``advance`` of loops/minimize.py."""
    kept = kept_of(numbers)
    extra, new = combine(wide(c), sums_of(x, g, state, wide(c) + kept), kept)
    elements(x, g, state, c + cast_like(extra, x))
    keep(numbers, new)
