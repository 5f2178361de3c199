"""When a parallel kernel may be launched, and on how many threads."""

import os
import threading

import numba

# One parallel launch at a time: a second thread would abort the process under the workqueue layer, and only compete
# under the others. And none in a child of a fork, whose inherited OpenMP runtime would kill it.
_launching = threading.Lock()
_forked = False


def _after_fork():
    global _forked, _launching
    _forked, _launching = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _may_launch(nested):
    """Under the workqueue layer only in the one thread there is: a second launch, the user's own too, ends the process.

    ``nested`` says whether what is launched may launch threads itself.
    """
    numba.get_num_threads()  # starts the layer
    return numba.threading_layer() != "workqueue" or (threading.active_count() == 1 and not nested)


def in_threads(many, alone, threads=None, nested=False):
    """``many(chunks)`` on that many threads, or ``alone()`` where threads may not be started."""
    if _forked or not _may_launch(nested) or not _launching.acquire(blocking=False):
        return alone()
    try:
        before = numba.get_num_threads()
        if threads is None or threads == before:
            return many(before)
        numba.set_num_threads(threads)
        try:
            return many(threads)
        finally:
            numba.set_num_threads(before)
    finally:
        _launching.release()
