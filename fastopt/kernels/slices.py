"""How long compiled code runs before Python looks after interrupts, time limits and callbacks.

A slice has as many iterations as took SLICE seconds before. That is a guess, and wrong where an evaluation becomes
dearer; so a thread counts ticks while slices run, and a loop also returns once two have passed since it began. To look
costs an iteration one load; to ask the clock would cost what a whole iteration costs.
"""

import os
import time
from _thread import start_new_thread  # without the 60 µs of a ``threading.Thread``, and not in the list of the user's
from array import array

from llvmlite import ir
from numba import types

from .overloads import emitted_form

SLICE = 0.05  # seconds that compiled code runs before Python looks after interrupts and time limits
FIRST_SLICE = 8  # iterations, by which the next slice is measured


def next_slice(done, seconds):
    """How many iterations to run next, so that a slice takes about SLICE seconds, where ``done`` took so long."""
    return max(1, min(32 * done, int(done * SLICE / max(seconds, 1e-7))))


# --- ticks -----------------------------------------------------------------------------------------------------------

TICK = 0.04  # seconds
LINGER = 50  # ticks that the thread waits for another slice: short runs one after the other find it there

_ticks = array("q", [0])
_address = _ticks.buffer_info()[0]
_running: list[None] = []  # an item for each slice on its way
_alive: list[bool] = []  # not empty while a thread ticks


def _tick(alive):
    idle = 0
    while idle < LINGER:
        time.sleep(TICK)
        _ticks[0] += 1
        idle = 0 if _running else idle + 1
    alive.clear()
    if _running:  # of a slice that began after the last look, and found the thread alive
        _start()


def _start():
    """Start a thread. Where two race there are two for a while, and slices are shorter."""
    global _alive
    alive = [True]
    try:
        start_new_thread(_tick, (alive,))
    except RuntimeError:  # no more threads: slices end at once
        return
    _alive = alive


def _after_fork():
    global _alive
    _alive = []
    _running.clear()  # of the parent's other threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class ticking:
    """While a slice runs; gives what ends the limits that its loop is handed: where ticks are counted, and the last.

    An interrupt between the two methods leaves an item behind, with which the thread goes on for ever, and no more.
    While the thread lives, two seconds after the last slice, Python 3.12 and later warn of forks, as they do wherever
    there are threads, Numba's too.
    """

    def __enter__(self):
        _running.append(None)
        if not _alive:
            _start()
        return _address, _ticks[0] + (2 if _alive else 0)

    def __exit__(self, *error):
        if _running:  # a child that was forked in a slice has none
            _running.pop()


class timed:
    """The same for a loop that is interpreted: it asks the clock."""

    def __enter__(self):
        return 0, time.perf_counter() + SLICE

    def __exit__(self, *error):
        pass


def is_over(limit):
    """Whether a loop must return, whose limits end with what ``ticking`` or ``timed`` gave."""
    return time.perf_counter() >= limit[-1]


@emitted_form(is_over)
def _is_over(typingctx, limit):
    """The number at the address is read anew each time."""

    def codegen(context, builder, signature, args):
        address, last = (builder.extract_value(args[0], len(limit) - k) for k in (2, 1))
        ticks = builder.load_atomic(builder.inttoptr(address, ir.IntType(64).as_pointer()), "monotonic", 8)
        return builder.icmp_signed(">=", ticks, last)

    return types.boolean(limit), codegen
