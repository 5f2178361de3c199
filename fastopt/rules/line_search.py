"""A search along a line that looks at slopes only.

A line is (step, low, down, high, up, start, tries), in lengths from where it begins: the step on trial; the longest one
known to go down still, and the slope there; the shortest that goes up, 0 while there is none, and its slope; the slope
at the start, 0 where there is no line; and how many steps were tried between the two.
"""

LONGER, INSIDE, TRIES = 2.0, 0.1, 20.0


def farther(step, slope, low, down):
    """A step beyond one that still goes down: where a straight line through the last two slopes is 0, within bounds."""
    least, most, rise = step - low, LONGER * step, slope - down
    ahead = -slope * least / rise if rise > 0.0 else most
    return step + (least if ahead < least else most if ahead > most else ahead)


def between(low, down, high, up):
    """A step between one that goes down and one that goes up, not too near to either."""
    fall = down - up
    part = down / fall if fall != 0.0 else INSIDE
    return low + (high - low) * (INSIDE if part < INSIDE else 1.0 - INSIDE if part > 1.0 - INSIDE else part)


def searched(slope, line):
    """The line after its step was tried and found a slope there, with the step to try next."""
    step, low, down, high, up, start, tries = line
    if slope < 0.0:
        step, low, down = (farther(step, slope, low, down) if high == 0.0 else step), step, slope
    else:
        high, up = step, slope
    if high != 0.0:
        step, tries = between(low, down, high, up), tries + 1.0
    return step, low, down, high, up, start, tries


def is_found(slope, line, sigma):
    """Whether the slope is small against that at the start, or there is no hope that it will be, or no line."""
    return abs(slope) <= sigma * abs(line[5]) or line[6] >= TRIES or line[5] == 0.0


def begun(step, slope):
    """A line of which nothing is known but the slope at its start, and the first step to try."""
    return step, 0.0, slope, 0.0, 0.0, slope, 0.0
