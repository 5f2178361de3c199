"""A chunk of work, in a worker: on the worker's share of the cores, and with what all chunks have in common at hand."""

import os
import time
import traceback
from collections import OrderedDict
from typing import Any, NamedTuple

from ..errors import shorten
from ..kernels.threads import forked, limit_threads, restore_threads
from .functions import Absent, packed, unpacked

DONE, RAISED, LACKS, ABSENT = "done", "raised", "lacks", "absent"  # what came of a chunk
RANKS_HERE = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")  # as MPICH and Open MPI say it
MOST = 2  # calls whose common part a worker keeps, so that two threads may use one executor
_known: OrderedDict[str, Any] = OrderedDict()


class InWorker(Exception):
    """Where an exception came from in a worker, as its cause here: a traceback itself cannot be sent."""


class Terms(NamedTuple):
    """``until`` is when to stop, by ``time.time()``, which processes share. ``beside`` are the workers of a machine,
    None where MPI's launcher says how many ranks it has."""

    until: float | None
    workers: int
    beside: int | None


def here(work, rows, begin, terms):
    """In a thread of the process that asks."""
    try:
        return DONE, _on_share(work, rows, begin, terms)
    except Exception as error:
        return RAISED, error


def elsewhere(token, work, rows, begin, terms):
    """In another process, with ``rows`` packed. ``work`` is packed too, or None where the worker should have it."""
    try:
        known = _opened(token, work)
    except Absent as absent:
        return ABSENT, absent.args[0]
    if known is None:
        return LACKS, None
    try:
        return DONE, _on_share(known, unpacked(rows), begin, terms)
    except Exception as error:
        return RAISED, (_packed_error(error), "".join(traceback.format_exception(error)))


def _opened(token, work):
    known = _known.get(token)
    if known is None and work is not None:
        known = _known[token] = unpacked(work)
        while len(_known) > MOST:
            _known.popitem(last=False)
    return known


def _on_share(work, rows, begin, terms):
    ends = None if terms.until is None else time.perf_counter() + terms.until - time.time()
    if forked():  # where no threads are started
        return work(rows, begin, ends)
    before = limit_threads(max(1, _cores() // _beside(terms)))
    try:
        return work(rows, begin, ends)
    finally:
        restore_threads(before)


def _beside(terms):
    """How many workers share this machine; where it is not known, all."""
    if terms.beside is not None:
        return terms.beside
    said = next((os.environ[name] for name in RANKS_HERE if name in os.environ), "")
    return min(terms.workers, int(said)) if said.isdecimal() and int(said) else terms.workers


def _cores():
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _packed_error(error):
    """An exception as bytes that are one again: not all can be pickled, and an engine may die of one."""
    try:
        data = packed(error)
        unpacked(data)
    except Exception:
        return packed(RuntimeError(shorten(f"{type(error).__name__}: {error}", 300)))
    return data
