"""Who may touch an optimiser: one at a time.

The cells of kernels/counts.py are looked at and assigned without calls: CPython changes threads and looks for signals
after calls, and not between a test and the ``try`` behind it. (Between a kernel's claim and the test of ALONE lies no
barrier but the time that CPython takes; without the GIL none of this would hold.)
"""

import threading
from contextlib import contextmanager

from ..kernels.counts import ALONE, HELD, ONE_AT_A_TIME, SKIPPED, T

# What HELD is while a step, or a load, is under way, and while the parameters are exchanged with their average; in a
# training it is the thread's number.
STEP, SWAP = 1, 2


def refusal(cells) -> str:
    """Why nobody may step an optimiser that is held."""
    if cells[HELD] == SWAP:
        return "an optimiser must be stepped, loaded and swapped outside the block of opt.swapped(), got one inside it"
    return ONE_AT_A_TIME


def held(cells, mark, work, *args):
    """Work on an optimiser that nobody else steps meanwhile."""
    if cells[HELD]:
        raise RuntimeError(refusal(cells))
    cells[HELD] = mark
    try:
        if cells[ALONE]:  # a kernel that began before; one that begins now sees HELD
            raise RuntimeError(ONE_AT_A_TIME)
        return work(*args)
    finally:
        cells[HELD] = 0


@contextmanager
def undisturbed(cells):
    """While an optimiser is copied: raises where it is in the midst of a step, or was stepped in the meantime.

    The thread that trains may copy: its signals come between the steps.
    """
    before = _moment(cells)
    yield
    if before != _moment(cells):
        raise _mistimed(cells)


def _moment(cells):
    if cells[ALONE] or cells[HELD] not in (0, threading.get_ident()):
        raise _mistimed(cells)
    return cells[T], cells[SKIPPED]


def _mistimed(cells):
    if cells[HELD] == SWAP:
        return RuntimeError("an optimiser must be saved or copied outside the block of opt.swapped(), got it inside")
    return RuntimeError(
        "an optimiser must be saved or copied between its steps, got one that is being stepped: "
        "in a signal's handler set a flag, and save after the step"
    )
