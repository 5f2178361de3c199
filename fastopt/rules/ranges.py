"""Where a rule's number may lie: an interval, written as in mathematics, and the refusal of what is outside."""

import math
import re
from typing import NamedTuple

import numpy as np

from ..checks import as_float
from ..errors import describe


class Range(NamedTuple):
    """An interval of finite numbers."""

    low: float = -math.inf
    high: float = math.inf
    low_belongs: bool = False
    high_belongs: bool = False

    def __contains__(self, number) -> bool:
        above = number > self.low or (self.low_belongs and number == self.low)
        below = number < self.high or (self.high_belongs and number == self.high)
        return math.isfinite(number) and above and below

    def __str__(self):
        """In words."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'at least' if self.low_belongs else 'greater than'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'at most' if self.high_belongs else 'less than'} {self.high:g}")
        return " and ".join(parts if len(parts) == 2 else ["finite", *parts])


ANYWHERE = Range()
NOT_NEGATIVE = Range(0.0, math.inf, True)
SIZES = {  # of the numbers of a dtype, the smallest that kernels do not count as zero, and the largest
    np.dtype(kind): (float(np.finfo(kind).tiny), float(np.finfo(kind).max)) for kind in (np.float32, np.float64)
}
FORM = re.compile(r"([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])")


def parse(where, text) -> Range:
    """The interval that ``"[0, 1)"`` or ``"(0, inf)"`` means."""
    if isinstance(text, Range):
        return text
    found = FORM.fullmatch(text) if isinstance(text, str) else None
    try:
        low, high = (float(found[2]), float(found[3])) if found else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if not found or not low < high:
        raise ValueError(f"{where} must be an interval like '[0, 1)' or '(0, inf)', got {describe(text)}")
    return Range(low, high, found[1] == "[", found[4] == "]")


def check_number(where, value, range_):
    """Raise unless this is a number in the range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where} must be a number, got {describe(value)}")
    if as_float(value) not in range_:
        raise ValueError(f"{where} must be {range_}, got {describe(value)}")


def check_fits(where, number, dtype):
    """Raise where a number would become zero, or infinite, in arrays of this dtype."""
    smallest, largest = SIZES[dtype]
    if number and not smallest <= abs(number) <= largest:
        raise ValueError(
            f"{where} must have a size from {smallest:.4g} to {largest:.4g} for {dtype} arrays, got {describe(number)}"
        )
