"""Spans of addresses, from an array's first byte to the byte after its last: none may meet another."""

from bisect import bisect_left
from itertools import pairwise


def disjoint_spans(named) -> list[tuple[int, int]]:
    """The sorted spans of pairs (name, span), without the empty ones; raise where two of them share memory."""
    spans = sorted((start, end, name) for name, (start, end) in named if start < end)
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise ValueError(f"parameters must not overlap in memory, got {first} and {second} that do")
    return [(start, end) for start, end, _ in spans]


def check_apart(name, span, spans):
    """Raise unless a gradient's span lies outside those of an optimiser, which are disjoint and sorted."""
    start, end = span
    i = bisect_left(spans, (end,))  # the number of spans that begin before the end
    if start < end and i and spans[i - 1][1] > start:
        raise ValueError(f"{name} must not overlap the parameters or the optimiser's state, got an array that does")
