"""Chunks of rows dealt out to the workers of an executor, and what they return in order.

Twice as many chunks are on their way as there are workers: enough that none waits for the next, and few enough that
what all have in common need not go with each: with the first for each worker, and again where one says it lacks that.
"""

import os
import time
import uuid
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from ..checks import count
from ..errors import describe
from .functions import packed, unpacked
from .tasks import DONE, LACKS, RAISED, InWorker, Terms, elsewhere, here

EACH = 4  # chunks of a worker, so that none is alone with the last ones for long
AHEAD = 2  # chunks of a worker on their way
LARGE = 2**23  # bytes from which on Dask moves data itself: of 10 MB with a task it warns


class Dealing(NamedTuple):
    """To whom, in how many chunks: as users say it, checked."""

    executor: Executor
    num_workers: int | None
    chunk: int | None


def dealing(executor, num_workers, chunk) -> Dealing | None:
    """None without an executor."""
    if executor is None:
        for name, value in (("num_workers", num_workers), ("chunk", chunk)):
            if value is not None:
                raise ValueError(f"{name} must be left out without an executor, got {describe(value)}")
        return None
    if not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, got {describe(executor)}")
    counts = (None if n is None else count(name, n) for name, n in (("num_workers", num_workers), ("chunk", chunk)))
    return Dealing(executor, *counts)


def fan_out(dealt, work, rows, ends, advance) -> list:
    """``(begin, end, work(rows[begin:end], begin, ends))`` of all chunks in order, solved by an executor's workers.

    ``rows`` are arrays with a row of each problem, ``work`` is picklable, and what it holds goes once to each worker;
    ``ends`` is by ``time.perf_counter()``, or None. A chunk that was not begun by then has None. What ``work`` raises
    is raised here, of the first chunk if it is several; with any error what is pending is cancelled.
    """
    return _Fan(dealt, work, rows, ends).results(advance)


class _Fan:
    def __init__(self, dealt, work, rows, ends):
        self.executor, self.rows, self.work, self.ends = dealt.executor, rows, work, ends
        self.workers, beside = _workers(dealt)
        self.terms = Terms(None if ends is None else time.time() + ends - time.perf_counter(), self.workers, beside)
        self.is_here = isinstance(dealt.executor, ThreadPoolExecutor)
        self.client = getattr(dealt.executor, "_client", None)  # Dask's
        k = len(rows[0])
        size = dealt.chunk or max(1, -(-k // (EACH * self.workers)))
        self.chunks = {begin: min(begin + size, k) for begin in range(0, k, size)}
        self.todo, self.found, self.errors = deque(self.chunks), {}, {}
        self.flight: dict[Any, int] = {}
        self.carried: frozenset[str] = frozenset()
        if not self.is_here:
            self._pack()

    def results(self, advance):
        try:
            while self._submit_some():
                done, _ = wait(self.flight, return_when=FIRST_COMPLETED)
                for future in done:
                    begin = self.flight.pop(future)
                    if self._take(begin, *future.result()):
                        advance(self.chunks[begin] - begin, "")
                self._leave_out()
        except BaseException:
            for future in self.flight:
                future.cancel()
            raise
        if self.errors:
            raise self.errors[min(self.errors)]
        return [(begin, end, self.found.get(begin)) for begin, end in self.chunks.items()]

    def _submit_some(self):
        """Whether something is on its way."""
        if self.ends is not None and time.perf_counter() >= self.ends:
            self.todo.clear()
        while self.todo and len(self.flight) < AHEAD * self.workers:
            begin = self.todo.popleft()
            self.flight[self._submit(begin)] = begin
        return bool(self.flight)

    def _submit(self, begin):
        rows = [a[begin : self.chunks[begin]] for a in self.rows]
        if self.is_here:
            return self.executor.submit(here, self.work, rows, begin, self.terms)
        goes = self.client is not None or self.sent < self.workers or begin in self.lacking
        self.sent += goes
        work = self.data if goes else None
        return self.executor.submit(elsewhere, self.token, work, self._put(packed(rows)), begin, self.terms)

    def _take(self, begin, what, value):
        """Whether the chunk is done."""
        if what == DONE:
            self.found[begin] = value
            return True
        if what == RAISED:
            self.errors[begin] = value if self.is_here else _from_worker(*value)
            return False
        if what == LACKS:
            self.lacking.add(begin)
        elif value not in self.carried:
            self.carried |= {value}
            self._pack()
        self.todo.appendleft(begin)
        return False

    def _leave_out(self):
        """Nothing is wanted behind a chunk that raised."""
        if self.errors:
            self.todo.clear()
            for future in [f for f, begin in self.flight.items() if begin > min(self.errors)]:
                future.cancel()
                del self.flight[future]

    def _pack(self):
        self.token, self.sent, self.lacking = uuid.uuid4().hex, 0, set()
        self.data = self._put(packed(self.work, self.carried), broadcast=True)

    def _put(self, data, **where):
        """Where workers find data: Dask warns of large ones that come with a task."""
        if self.client is None or len(data) < LARGE:
            return data
        return self.client.scatter(data, hash=False, **where)


def _from_worker(data, trace):
    error = unpacked(data)
    error.__cause__ = InWorker(f"\n{trace}")
    return error


def _workers(dealt):
    """How many there are, and at most how many on one machine, or None where those know that themselves."""
    executor = dealt.executor
    client = getattr(executor, "_client", None)
    if client is not None:
        machines: dict[str, int] = {}
        for address, threads in client.nthreads().items():
            machine = address.rpartition(":")[0]
            machines[machine] = machines.get(machine, 0) + threads
        return dealt.num_workers or sum(machines.values()) or 1, max(machines.values(), default=1)
    known = getattr(executor, "_max_workers", None)  # of Python's pools, loky's and mpi4py's
    workers = dealt.num_workers or (known if isinstance(known, int) and known else os.cpu_count() or 1)
    return workers, None if type(executor).__module__.startswith("mpi4py.") else workers
