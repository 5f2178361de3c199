"""What an epoch asks of the place of its arrays: batches of examples, and what the loss says. On the CPU."""

import numpy as np

from ..errors import describe


class Batches:
    """Of these data, to be picked where a batch does not hold them all."""

    def __init__(self, loss_and_grad, data, size):
        self._data = data

    def moved(self, order):
        """The order of an epoch, where batches are picked."""
        return order

    def picked(self, order, start, end):
        """The examples of a batch, of each array; all where there is no order."""
        return self._data if order is None else [a[order[start:end]] for a in self._data]

    def value(self, loss) -> float:
        """What the loss returned."""
        if not is_number(loss):
            raise TypeError(f"loss_and_grad must return the loss as a number, got {describe(loss)}")
        return float(loss)

    def total(self, values) -> float:
        """The sum of losses, given the sum of their values."""
        return values


def is_number(loss):
    return isinstance(loss, (int, float)) or (
        isinstance(loss, (np.ndarray, np.generic))
        and not isinstance(loss, np.ma.MaskedArray)
        and loss.ndim == 0
        and loss.dtype.kind in "iuf"
    )
