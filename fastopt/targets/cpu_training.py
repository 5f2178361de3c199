"""What an epoch asks of the place of its arrays: batches of examples, and what the loss says. On the CPU."""

from ..arrays.returned import number_of


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
        return number_of(loss, "loss_and_grad must return the loss as a number, got")

    def total(self, values) -> float:
        """The sum of losses, given the sum of their values."""
        return values
