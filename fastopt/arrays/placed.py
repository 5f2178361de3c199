"""What is known of an array, wherever it is, and what it must be to go with another."""

import math
from typing import Any, NamedTuple

from ..errors import spell


class Placed(NamedTuple):
    """An array in memory, of the CPU or of a GPU.

    Attributes
    ----------
    order : "C", "F", or None where it is neither
    stream : the handle of the stream that its contents are ready on, None where they need no waiting for
    owner : what keeps the memory alive beside the array itself
    """

    address: int
    shape: tuple[int, ...]
    dtype: Any
    order: str | None
    writable: bool
    stream: int | None = None
    owner: Any = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def span(self) -> tuple[int, int]:
        """The addresses of a contiguous array's first byte and of the byte after its last."""
        return self.address, self.address + self.nbytes


def check_like(name, found, wanted):
    """Raise unless two arrays, or what is known of them, have the same dtype and shape."""
    if found.dtype != wanted.dtype:
        raise TypeError(f"{name} must have dtype {spell(wanted.dtype)}, got {spell(found.dtype)}")
    if found.shape != wanted.shape:
        raise ValueError(f"{name} must have shape {spell(wanted.shape)}, got {spell(found.shape)}")


def check_contiguous(name, order, got):
    if order is None:
        raise ValueError(f"{name} must be contiguous (C or Fortran order), got {got}")


def wrong_order(name, order, got) -> ValueError:
    """What to raise for a gradient that is not in the order of its parameter."""
    wanted = "C" if order == "C" else "Fortran"
    return ValueError(f"{name} must be contiguous in {wanted} order like its parameter, got {got}")


def check_writable(name, writable):
    if not writable:
        raise ValueError(f"{name} must be writable, got a read-only array")
