"""The hyperparameters of one group of parameters: numbers and schedules, checked, and evaluated for a step."""

from typing import Any

import numpy as np

from ..errors import describe, shorten
from ..rules.keywords import BETAS, keywords, spelt


class Hyper:
    """The values of a rule's hyperparameters, its L2 weight decay and the start of its state, for one group."""

    def __init__(self, rule, given: dict, where: str):
        known = keywords(rule)
        unknown = [name for name in given if name not in known]
        if unknown:
            raise TypeError(f"{where} must be given only {', '.join(known)}, got {shorten(repr(unknown[0]), 40)}")
        values = {**known, **given}
        self.rule = rule
        self.start = {}
        for keyword, (slot, _) in rule.initial.items():
            rule.check(keyword, values[keyword])
            self.start[slot] = float(values.pop(keyword))
        self.values: dict[str, Any] = {}
        for keyword, value in values.items():
            self.values |= self.checked(keyword, value)

    def checked(self, keyword, value) -> dict:
        """What a keyword sets, by the names of the rule; raises unless it can be that."""
        if keyword != "betas" or keyword in self.rule.hyper:
            return {keyword: _checked(self.rule, keyword, value)}
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise TypeError(f"betas must be a pair (beta1, beta2), got {describe(value)}")
        return {beta: _checked(self.rule, beta, one) for beta, one in zip(BETAS, value)}

    def read(self, keyword):
        """The value of a keyword, as it was given."""
        return spelt(self.values)[keyword]

    @property
    def scheduled(self) -> bool:
        return any(map(callable, self.values.values()))

    def at(self, t: int) -> tuple:
        """The rule's hyperparameters at step t (1, 2, ...), as the kernels take them."""
        return tuple(self._at(name, t) for name in self.rule.hyper)

    def decay(self, t: int) -> float:
        """The L2 weight decay; 0 where the rule decays by itself."""
        return 0.0 if "weight_decay" in self.rule.hyper else self._at("weight_decay", t)

    def decays(self) -> bool:
        return "weight_decay" not in self.rule.hyper and self.values["weight_decay"] != 0.0

    def _at(self, name, t):
        value = self.values[name]
        if callable(value):
            value = value(t - 1)
            self.rule.check(name, value, f"{name} (a schedule, at step {t - 1})")
        return float(value)

    def numbers(self) -> dict:
        """The numeric hyperparameters by name; None for those that are schedules."""
        return {name: None if callable(value) else _plain(value) for name, value in self.values.items()}

    def check_numbers(self, numbers: dict, where: str):
        """Raise unless what ``numbers()`` returned once can be taken over."""
        if not isinstance(numbers, dict) or numbers.keys() != self.values.keys():
            raise ValueError(f"{where} must have the names {', '.join(self.values)}, got {describe(numbers)}")
        for name, value in numbers.items():
            if value is not None:
                self.rule.check(name, value, f"{where}[{name!r}]")
            elif not callable(self.values[name]):
                raise ValueError(f"{name} was a schedule when saved and must be given again, got {self.values[name]!r}")

    def take_numbers(self, numbers: dict):
        """Take the numbers over; what is a schedule here stays one."""
        self.values.update(
            {name: value for name, value in numbers.items() if value is not None and not callable(self.values[name])}
        )

    def __repr__(self):
        return ", ".join(f"{name}={value!r}" for name, value in spelt(self.values).items())


def hyper_of_groups(rule, groups, shared: dict) -> list[Hyper]:
    """Of each group: what all share, and its own; ``groups`` is None where there are none."""
    if groups is None:
        return [Hyper(rule, shared, rule.label or rule.name)]
    own = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    return [Hyper(rule, {**shared, **mine}, f"group {i}") for i, mine in enumerate(own)]


def _plain(value):
    """As a Python bool or float, which every file format knows."""
    return bool(value) if isinstance(value, (bool, np.bool_)) else float(value)


def _checked(rule, name, value):
    if not callable(value):
        rule.check(name, value)
    elif isinstance(rule.hyper.get(name), bool):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return value
