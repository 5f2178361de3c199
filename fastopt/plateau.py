"""The schedule that goes by the loss instead of the step."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from .checks import as_float, integer, number, positive, shown

STATE = ("value", "best", "waited", "resting")


class Plateau:
    """A number that falls where the loss does not; made by :func:`fastopt.schedules.plateau`.

    Attributes
    ----------
    value : float
        What it is now, at any step.
    best : float or None
        The smallest loss so far.
    """

    def __init__(self, value, factor, patience, threshold, cooldown, lowest):
        self.settings = factor, patience, threshold, cooldown, lowest
        self.value, self.best, self.waited, self.resting = value, None, 0, 0

    def __call__(self, step: int) -> float:
        return self.value

    def update(self, loss: float) -> None:
        """Tell it the loss of another epoch."""
        factor, patience, threshold, cooldown, lowest = self.settings
        if not isinstance(loss, Real) or isinstance(loss, bool):
            raise TypeError(f"loss must be a number, got {shown(loss)}")
        loss = as_float(loss)
        if not math.isnan(loss) and (self.best is None or loss < self.best - threshold * abs(self.best)):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        if self.waited > patience:
            self.value, self.resting, self.waited = max(self.value * factor, min(self.value, lowest)), cooldown, 0

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def check_state(self, where: str, state: Any) -> None:
        """Raise unless it is one."""
        if not isinstance(state, Mapping) or state.keys() != set(STATE):
            raise ValueError(f"{where} must be the state of a plateau, got {shown(state)}")
        number(f"{where}['value']", state["value"])
        if state["best"] is not None and not isinstance(state["best"], Real):
            raise TypeError(f"{where}['best'] must be a number or None, got {shown(state['best'])}")
        for name in ("waited", "resting"):
            integer(f"{where}[{name!r}]", state[name])

    def take_state(self, state: Mapping) -> None:
        for name in STATE:
            setattr(self, name, state[name])

    def __repr__(self) -> str:
        return f"plateau({self.value!r}, {', '.join(map(repr, self.settings))})"


def plateau(
    value: float,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    lowest: float = 0.0,
) -> Plateau:
    """Multiplied by `factor` where the loss has not fallen for more than `patience` epochs, as PyTorch's
    ReduceLROnPlateau.

    `fit` tells it the validation loss of each epoch, or the training loss where there is no validation; in a loop of
    your own, call `update(loss)`. Its state is saved and loaded with the optimiser.

    factor: between 0 and 1. threshold: a loss has fallen if it is smaller than the best by this part of it. cooldown:
    epochs after a fall in which none are counted. lowest: where it stops.
    Raises TypeError for a wrong kind, ValueError out of range.

    >>> lr = plateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     lr.update(loss)
    >>> lr.value
    0.5
    """
    value, factor, lowest = number("value", value), positive("factor", factor), number("lowest", lowest)
    if factor >= 1.0:
        raise ValueError(f"factor must be less than 1, got {factor}")
    counts = {"patience": integer("patience", patience), "cooldown": integer("cooldown", cooldown)}
    for name, given in {**counts, "threshold": number("threshold", threshold)}.items():
        if given < 0:
            raise ValueError(f"{name} must be at least 0, got {given}")
    return Plateau(value, factor, counts["patience"], float(threshold), counts["cooldown"], lowest)
