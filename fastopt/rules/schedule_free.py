"""What the schedule-free rules share: how their lr warms up, and how much of z their average takes in a step."""

from math import floor


def begins(t):
    """Weights of the parameter and of state: in the first step z and x are set to where that is."""
    return (1.0, 0.0) if t == 1 else (0.0, 1.0)


def warmed(t, lr, warmup_steps):
    return lr if t >= warmup_steps else lr * t / warmup_steps


def share(t, warmup_steps):
    """The weight of step t over the sum of those so far; weights are the squares of lr as it warms up."""
    if t <= warmup_steps:
        return 6.0 * t / ((t + 1.0) * (2.0 * t + 1.0))
    n = floor(warmup_steps)
    before = n * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * warmup_steps**2) if n else 0.0
    return 1.0 / (before + t - n)
