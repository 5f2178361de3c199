"""From a case that fails to a smaller one that fails in the same way."""

import time


def shrunk(case, fails, seconds=120.0):
    """The smallest case found. ``fails(case)`` says whether one still does, in the same way."""
    ends = time.monotonic() + seconds
    found = True
    while found and time.monotonic() < ends:
        found = False
        for smaller in simpler(case):
            if time.monotonic() > ends:
                break
            if fails(smaller):
                case, found = smaller, True
                break
    return case


def simpler(value):
    """Values like this one, but simpler: with less in it, or with something in it simpler."""
    if isinstance(value, dict):
        for key in value:
            for smaller in simpler(value[key]):
                yield value | {key: smaller}
    elif isinstance(value, list):
        if len(value) > 3:
            yield value[: len(value) // 2]
            yield value[len(value) // 2 :]
        for i in range(len(value)):
            yield value[:i] + value[i + 1 :]
        for i, item in enumerate(value):
            for smaller in simpler(item):
                yield [*value[:i], smaller, *value[i + 1 :]]
    elif value is True:
        yield False
    elif isinstance(value, int) and value > 1:
        yield 1
        if value > 3:
            yield value // 2
        yield value - 1
    elif isinstance(value, float) and value:  # of strings few are known to the storm
        yield None
