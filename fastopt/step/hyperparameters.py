"""The hyperparameters of one group of parameters: numbers and schedules, checked, and evaluated for a step."""

from typing import Any

import numpy as np

from ..errors import describe, listing, quote, shorten
from ..rules.keywords import keywords, spelt, together
from ..rules.ranges import SIZES, check_fits
from ..schedules import plateaus_in


class Hyper:
    """The values of a rule's hyperparameters, its L2 weight decay and the start of its state, for one group."""

    def __init__(self, rule, given: dict, where: str):
        known = keywords(rule)
        unknown = [name for name in given if name not in known]
        if unknown:
            raise TypeError(f"{where} must be given only {shorten(', '.join(known), 160)}, got {quote(unknown[0], 40)}")
        if both := rule.hyper.keys() & rule.initial.keys():
            name, twice = shorten(rule.name, 40), quote(min(both), 40)
            raise ValueError(f"a hyperparameter of rule {name!r} must not start a state array too, got {twice}")
        values = {**known, **given}
        self.rule = rule
        self.dtype = np.dtype(np.float64)  # that numbers are cast to; of a group's, the narrowest
        self.largest = SIZES[self.dtype][1]
        self.initial = {keyword: values.pop(keyword) for keyword in rule.initial}
        for keyword, value in self.initial.items():
            self._check(keyword, value)
        self.values: dict[str, Any] = {}
        for keyword, value in values.items():
            self.values |= self.checked(keyword, value)

    def checked(self, keyword, value) -> dict:
        """What a keyword sets, by the names of the rule; raises unless it can be that."""
        names = together(self.rule.hyper).get(keyword)
        if names is None:
            return {keyword: self._checked(keyword, value)}
        if not isinstance(value, (tuple, list)) or len(value) != len(names):
            raise TypeError(f"{keyword} must be a pair ({', '.join(names)}), got {describe(value)}")
        return {name: self._checked(name, one) for name, one in zip(names, value)}

    def check_fits(self, dtype):
        """Raise where a number is none in arrays of this dtype."""
        for name, value in (self.initial | self.values).items():
            if not callable(value):
                check_fits(name, float(value), dtype)

    def settle(self, dtype):
        """Hold numbers for arrays of this dtype from now on."""
        self.check_fits(dtype)
        self.dtype, self.largest = dtype, SIZES[dtype][1]

    def _check(self, name, value, where=None):
        """Raise unless a hyperparameter may have this value, in the arrays' dtype too."""
        self.rule.check(name, value, where)
        check_fits(where or name, float(value), self.dtype)

    def _checked(self, name, value):
        if not callable(value):
            self._check(name, value)
        elif isinstance(self.rule.hyper.get(name), bool):
            raise TypeError(f"{name} must be True or False, got {describe(value)}")
        return value

    @property
    def start(self) -> dict[str, float]:
        """What state arrays and kept numbers start from, where that is not zero."""
        return {slot: float(self.initial[keyword]) for keyword, (slot, _) in self.rule.initial.items()}

    @property
    def kept(self) -> list[float]:
        """What the numbers that the rule keeps start from."""
        start = self.start
        return [start.get(name, 0.0) for name in self.rule.keeps]

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
            value, where = value(t - 1), f"{name} (a schedule, at step {t - 1})"
            self.rule.check(name, value, where)
            value = float(value)
            if abs(value) > self.largest:  # too small it may be, as rates that decay are
                check_fits(where, value, self.dtype)
        return float(value)

    def numbers(self) -> dict:
        """The numeric hyperparameters by name; of schedules the states of their plateaus, or None."""
        return {name: _states(value) if callable(value) else _plain(value) for name, value in self.values.items()}

    def check_numbers(self, numbers: dict, where: str):
        """Raise unless what ``numbers()`` returned once can be taken over."""
        if not isinstance(numbers, dict) or numbers.keys() != self.values.keys():
            got = f"the names {listing(numbers)}" if isinstance(numbers, dict) else describe(numbers)
            raise ValueError(f"{where} must have the names {shorten(', '.join(self.values), 160)}, got {got}")
        for name, value in numbers.items():
            if isinstance(value, list):
                mine = plateaus_in(self.values[name])
                if len(mine) != len(value):
                    got = quote(self.values[name])
                    raise ValueError(f"{name} was a plateau when saved and must be given again, got {got}")
                for plateau, state in zip(mine, value):
                    plateau.check_state(f"{where}[{name!r}]", state)
            elif value is not None:
                self._check(name, value, f"{where}[{name!r}]")
            elif not callable(self.values[name]):
                raise ValueError(
                    f"{name} was a schedule when saved and must be given again, got {quote(self.values[name])}"
                )

    def take_numbers(self, numbers: dict):
        """Take the numbers over; what is a schedule here stays one."""
        for name, value in numbers.items():
            if isinstance(value, list):
                for plateau, state in zip(plateaus_in(self.values[name]), value):
                    plateau.take_state(state)
            elif value is not None and not callable(self.values[name]):
                self.values[name] = value

    def __repr__(self):
        return ", ".join(f"{name}={value!r}" for name, value in spelt(self.values).items())


OWN = ("lr", "weight_decay", "ema")  # what groups may have of their own, whatever the rule


def hyper_of_groups(rule, groups, shared: dict) -> list[Hyper]:
    """Of each group: what all share, and its own; ``groups`` is None where there are none."""
    if groups is None:
        return [Hyper(rule, shared, rule.label or rule.name)]
    own = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    found = [Hyper(rule, {**shared, **mine}, f"group {i}") for i, mine in enumerate(own)]
    check_alike(rule, [mine.initial | mine.values for mine in found])
    return found


def check_alike(rule, groups: list[dict]):
    """Raise where groups differ in a number that the rule combines sums of all arrays with: it has but one of each."""
    for name, value in groups[0].items() if rule.across else ():
        others = [group[name] for group in groups[1:] if group[name] is not value and group[name] != value]
        if others and name not in OWN:
            raise ValueError(
                f"{name} must be the same in all groups with {rule.label or rule.name}, whose sums are over all, "
                f"got {describe(value)} and {describe(others[0])}"
            )


def _states(schedule):
    return [plateau.state() for plateau in plateaus_in(schedule)] or None


def _plain(value):
    """As a Python bool or float, which every file format knows."""
    return bool(value) if isinstance(value, (bool, np.bool_)) else float(value)
