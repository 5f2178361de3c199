"""Of places whose arrays are stepped here as a whole; where ranks share them, distributed/shared.py has other ways."""

from typing import Any


class Whole:
    ranks: Any = None  # that share the parameters

    def owned(self, blocks):
        """The parts of a group's blocks, pairs of a flat array and its members, that are stepped here."""
        return blocks

    def part(self, array, begin, end, place):
        """What belongs to a parameter, described by its place, in a flat array of a block."""
        return self.view(array, begin, end, place.shape, place.order)  # type: ignore[attr-defined]

    def whole(self, places, parts) -> list:
        """New NumPy arrays of whole parameters, of what ``part`` is of each."""
        return [self.copy_to_host(part) for part in parts]  # type: ignore[attr-defined]

    def own_parts(self, arrays) -> list:
        """Of whole arrays of the host the parts that belong here."""
        return arrays
