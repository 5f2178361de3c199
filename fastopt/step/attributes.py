"""Hyperparameters as attributes: a class for the optimisers of each rule, and one for its groups, with properties.

Properties and slots cost a step nothing, where a ``__setattr__`` would run whenever the step assigns its count.
"""

from functools import cache

from ..rules import texts
from ..rules.keywords import keywords

CHANGEABLE = ("maximize", "clip_value", "clip_norm", "check_finite")  # options that may be assigned


class Group:
    """The hyperparameters of one group, as attributes."""

    __slots__ = ("_hyper", "_owner_assigns")

    def __init__(self, hyper, assign):
        self._hyper, self._owner_assigns = hyper, assign

    def _read(self, name):
        return self._hyper.read(name)

    def _assign(self, name, value):
        self._owner_assigns(name, value, [self._hyper])

    def __repr__(self):
        return f"{type(self).__name__}({self._hyper})"


@cache
def class_of(base, rule) -> type:
    """The class of the optimisers of a rule."""
    names = attributes_of(rule)
    taken = next((name for name in names if hasattr(base, name)), None)
    if taken is not None:
        raise ValueError(f"a hyperparameter of rule {rule.name!r} must not be named like an attribute, got {taken!r}")
    own = {"__slots__": (), "__doc__": base.__doc__, "__module__": base.__module__}
    return type(rule.label or rule.name, (base,), own | names)


@cache
def group_of(rule) -> type:
    """The class of a rule's groups."""
    return type("Group", (Group,), {"__slots__": (), "__doc__": Group.__doc__, **attributes_of(rule)})


def attributes_of(rule) -> dict:
    names = [name for name in keywords(rule) if name not in rule.initial]
    return {name: hyperparameter(name, texts.meaning(rule, name)) for name in names}


def hyperparameter(name, doc) -> property:
    def assign(self, value):
        self._assign(name, value)

    return property(lambda self: self._read(name), assign, doc=doc)


def option(name) -> property:
    def assign(self, value):
        self._assign_option(name, value)

    return property(lambda self: self._read_option(name), assign, doc="As in the constructor.")


def common(name, groups):
    """The value of a hyperparameter in all groups; raises where they differ."""
    value, *others = (hyper.read(name) for hyper in groups)
    if any(other is not value and other != value for other in others):
        raise AttributeError(f"{name} differs between the groups: read it as opt.groups[i].{name}")
    return value
