"""A cell of the table of conformance: a rule, what a framework calls it, and options of both."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

TOLERANCE = 1e-11  # of what a parameter has moved, after each of 100 steps


class Cell(NamedTuple):
    """A rule, and what a framework calls it.

    Attributes
    ----------
    label, framework : str
    theirs : str
        Its class or function.
    always : dict
        Keywords that make it this rule, as the framework spells them.
    options : tuple
        Further comparisons: keywords of both where they are spelt alike, else a pair of ours and theirs.
    ours : dict
        Keywords that our side needs, where no preset has them.
    without : tuple of str
        Tasks on which they differ, for a reason that the note gives.
    within : float
        How far they may be apart.
    differs : bool
        Whether it is another algorithm under this name, so that no keyword makes them agree.
    note : str
        What a reader must know of the two.
    """

    label: str
    framework: str
    theirs: str
    always: Mapping[str, Any] = MappingProxyType({})
    options: tuple = ()
    ours: Mapping[str, Any] = MappingProxyType({})
    without: tuple[str, ...] = ()
    within: float = TOLERANCE
    differs: bool = False
    note: str = ""

    def comparisons(self, own=True):
        """Keywords of ours and of theirs, the defaults first; without ours where that is not asked for."""
        for option in ({}, *self.options):
            ours, theirs = option if isinstance(option, tuple) else (option, option)
            yield {**(self.ours if own else {}), **ours}, {**self.always, **theirs}


# Options that are spelt alike in several, or by us.
L2 = {"weight_decay": 0.1}
ALL = {"betas": (0.8, 0.95), "eps": 1e-3}
JAX = {"b1": 0.8, "b2": 0.95, "eps": 1e-3}
KERAS = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}
HEAVY = {"momentum": 0.9}
AHEAD = HEAVY | {"nesterov": True}
ROOT = {"alpha": 0.8, "eps": 1e-3}
KERAS_ROOT = {"rho": 0.8, "epsilon": 1e-3}
STARTED = {"initial_accumulator_value": 0.3}
AMS = {"amsgrad": True}
FULL = {"centered": True, "momentum": 0.6}
OFF = {"decoupled_weight_decay": True}
