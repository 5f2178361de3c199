"""Loops that fill, add, scale, pick and gather memory on the device."""

from ....linking import UNBOUND

cuda = UNBOUND


def fill(p, n, value):
    i = cuda.grid(1)
    while i < n:
        p[i] = value
        i += cuda.gridsize(1)


def add(out, n, more):
    i = cuda.grid(1)
    while i < n:
        out[i] += more[i]
        i += cuda.gridsize(1)


def scale(p, n, factor):
    i = cuda.grid(1)
    while i < n:
        p[i] *= factor
        i += cuda.gridsize(1)


def pick(source, order, first, count, width, out):
    """Rows ``order[first]``, ``order[first + 1]``, ... of a matrix, one after the other."""
    i = cuda.grid(1)
    while i < count * width:
        out[i] = source[order[first + i // width] * width + i % width]
        i += cuda.gridsize(1)


def note(table, values):
    """Write addresses into a table: launch arguments need no copy that the host would wait for. In one thread."""
    for k in range(len(values)):
        table[k] = values[k]


def gather(sources, starts, count, out):
    """Copy many arrays one after the other; array k goes to ``out[starts[k]:starts[k + 1]]``."""
    i = cuda.grid(1)
    while i < starts[count]:
        low, high = 0, count - 1
        while low < high:  # the last array that starts at i or before
            middle = (low + high + 1) // 2
            if starts[middle] <= i:
                low = middle
            else:
                high = middle - 1
        out[i] = sources[low][i - starts[low]]
        i += cuda.gridsize(1)
