"""What one kernel call works on."""

from typing import Any, NamedTuple


class Block(NamedTuple):
    """The arrays of one kernel call: those of one parameter, or of the buffer that holds many."""

    run: Any  # the kernel, once it is bound
    p: Any
    state: tuple
    group: int
    members: tuple[tuple[int, int, int], ...]  # index of a leaf, where it begins, where it ends
    packed: bool


def of_gradient(name):
    """The name of a parameter's gradient."""
    return name.replace("params", "grads", 1)
