"""How long compiled code runs before Python looks after interrupts, time limits and callbacks."""

SLICE = 0.05  # seconds that compiled code runs before Python looks after interrupts and time limits


FIRST_SLICE = 8  # iterations, by which the next slice is measured


def next_slice(limit, seconds):
    """How many iterations to run next, so that a slice takes about SLICE seconds."""
    return max(1, min(32 * limit, int(limit * SLICE / max(seconds, 1e-7))))
