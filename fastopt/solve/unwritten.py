"""A gradient that the objective was to write and left as it was, which would be taken for one that is zero.

Before the first evaluation it is filled with NaN of bits that no arithmetic makes, so that a NaN of the objective's own
is not mistaken. The loop stops at any NaN; only then is looked whether it is this one.
"""

import numpy as np

BITS = {8: (np.int64, 0x7FF8_FA57_09D1_5EED), 4: (np.int32, 0x7FC5_EED1)}
MARKS = {size: np.array(bits, integer).view(f"f{size}")[()] for size, (integer, bits) in BITS.items()}


def unwritten(shape, dtype):
    """A gradient that nobody has written yet."""
    g = np.empty(shape, dtype)
    g.fill(MARKS[g.itemsize])
    return g


def refuse_unwritten(g, value, problem=""):
    """Raise if an element is still as it was; an objective whose value is not finite need not write any."""
    integer, bits = BITS[g.itemsize]
    left = np.flatnonzero(g.view(integer) == bits)
    if left.size and np.isfinite(value):
        more = f" (and {left.size - 1} more)" if left.size > 1 else ""
        raise TypeError(f"fun must write grad, in place: grad[{left[0]}]{more} was left as it was{problem}")
