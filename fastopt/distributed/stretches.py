"""Arrays laid end to end and shared out among ranks: each owns one stretch of them, and steps it.

Whatever goes to others goes in rounds, through two buffers of a fixed size.
"""

from bisect import bisect_right
from itertools import pairwise

import numpy as np

WIRE = 1 << 24  # bytes of each buffer


class Wire:
    """The two buffers, which all stretches of an optimiser use."""

    def __init__(self):
        self._bytes = [np.empty(0, np.uint8), np.empty(0, np.uint8)]

    def pair(self, size, dtype):
        """Two flat arrays of this size and dtype."""
        needed = size * dtype.itemsize
        if self._bytes[0].size < needed:
            self._bytes = [np.empty(needed, np.uint8), np.empty(needed, np.uint8)]
        return (raw[:needed].view(dtype) for raw in self._bytes)


class Stretches:
    """Of flat arrays of these sizes and one dtype. ``own`` is where this rank's stretch begins and ends.

    Arrays are given in the order of the sizes.
    """

    def __init__(self, ranks, wire, sizes, dtype):
        self._ranks, self._wire, self.dtype = ranks, wire, dtype
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        total, n = self._starts[-1], ranks.size
        self._limits = [(total * r // n, total * (r + 1) // n) for r in range(n)]
        self.own = self._limits[ranks.rank]

    def own_parts(self) -> list[tuple[int, int]]:
        """Where this rank's part of each array begins and ends."""
        low, high = self.own
        return [
            (min(max(low, start), stop) - start, min(max(high, start), stop) - start)
            for start, stop in pairwise(self._starts)
        ]

    def add_up(self, arrays, out):
        """The sums over all ranks of this rank's stretch, added in the order of the ranks; None stands for zeros."""
        n, rank, first = self._ranks.size, self._ranks.rank, self.own[0]
        for parts in self._rounds():
            counts = [end - begin for begin, end in parts]
            mine = counts[rank]
            send, received = self._wire.pair(max(sum(counts), n * mine), self.dtype)
            self._fill(send, parts, arrays)
            self._ranks.comm.Alltoallv([send[: sum(counts)], counts], [received[: n * mine], [mine] * n])
            begin, end = parts[rank]
            total = out[begin - first : end - first]
            total[:] = received[:mine]
            for r in range(1, n):
                np.add(total, received[r * mine : (r + 1) * mine], out=total)

    def spread(self, arrays):
        """Write into everyone's arrays what each stretch's owner has there."""
        rank = self._ranks.rank
        for parts in self._rounds():
            counts = [end - begin for begin, end in parts]
            send, received = self._wire.pair(sum(counts), self.dtype)
            self._fill(send, parts[rank : rank + 1], arrays)
            self._ranks.comm.Allgatherv(send[: counts[rank]], [received, counts])
            others = [part if r != rank else (part[1], part[1]) for r, part in enumerate(parts)]
            self._take(received, counts, others, arrays)

    def collect(self, own, arrays):
        """Write into the arrays of rank 0 what each rank has as its own stretch; those of the others are not read."""
        rank, first, none = self._ranks.rank, self.own[0], [0] * (self._ranks.size - 1)
        for parts in self._rounds():
            begin, end = parts[rank]
            counts = [stop - start for start, stop in parts] if rank == 0 else [0, *none]
            _, received = self._wire.pair(sum(counts), self.dtype)
            sent = np.ascontiguousarray(own[begin - first : end - first])
            self._ranks.comm.Alltoallv([sent, [end - begin, *none]], [received, counts])
            if rank == 0:
                self._take(received, counts, parts, arrays)

    def _rounds(self):
        """Of each round, which part of each rank's stretch is in it."""
        longest = max(end - begin for begin, end in self._limits)
        step = max(1, WIRE // (self._ranks.size * self.dtype.itemsize))
        for k in range(0, longest, step):
            yield [(min(begin + k, end), min(begin + k + step, end)) for begin, end in self._limits]

    def _fill(self, send, parts, arrays):
        at = 0
        for begin, end in parts:
            for array, i, j in self._within(begin, end, arrays):
                send[at : at + j - i] = 0.0 if array is None else array[i:j]
                at += j - i

    def _take(self, received, counts, parts, arrays):
        at = 0
        for count, (begin, end) in zip(counts, parts):
            start = at
            for array, i, j in self._within(begin, end, arrays):
                array[i:j] = received[start : start + j - i]
                start += j - i
            at += count

    def _within(self, begin, end, arrays):
        """The arrays that have elements in a part, and where these begin and end there."""
        k = bisect_right(self._starts, begin) - 1
        while begin < end:
            start, stop = self._starts[k : k + 2]
            if begin < stop:
                yield arrays[k], begin - start, min(end, stop) - start
                begin = min(end, stop)
            k += 1
