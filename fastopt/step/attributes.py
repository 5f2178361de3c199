"""What users read of an optimiser, and assign: a class for the optimisers of each rule, and one for its groups.

Properties and slots cost a step nothing.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..arrays.nests import copied
from ..errors import describe
from ..kernels.counts import SKIPPED, T
from ..kernels.modifiers import scale_of
from ..rules import Rule, texts
from ..rules.keywords import keywords
from .hyperparameters import Hyper, check_alike
from .interrupts import to_the_end
from .layout import Layout
from .options import check_options

NO_SCHEDULES = "hyperparameters must be numbers with capturable=True, got a schedule"
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


class Attributes:
    """The attributes of an optimiser; the hyperparameters of its rule are in the class of the rule."""

    __slots__ = ("_bound", "_measures", "_options", "_scale", "_staged")
    _rule: Rule
    _params: Any
    _state: Mapping[str, Any]
    _cells: memoryview
    _grouped: bool
    _hyper: list[Hyper]
    _layout: Layout
    _steps: Any
    _target: Any
    _numbers: Any
    _prepare: Any
    _hold_numbers: Any
    _hold_fast_path: Any

    @property
    def rule(self) -> Rule:
        """The update rule."""
        return self._rule

    @property
    def params(self) -> Any:
        """The parameters, in the structure given; with groups, a list of each group's.

        Every reading makes new containers of the same arrays: what is put into one is no parameter.
        """
        return copied(self._params)

    @property
    def state(self) -> Mapping[str, Any]:
        """The state arrays by name, each in the structure of ``params``."""
        return self._state

    @property
    def t(self) -> int:
        """Steps applied."""
        return self._steps.count() if self._options.capturable else self._cells[T]

    @property
    def counts(self) -> Any:
        """Steps applied to each array, in the structure of ``params``."""
        t = self.t
        return self._layout.nest([t - missed for missed in self._layout.missed])

    @property
    def skipped(self) -> int:
        """Steps left out by ``check_finite="skip"``."""
        return self._cells[SKIPPED]

    @property
    def groups(self) -> tuple:
        """The hyperparameters of each group."""
        return tuple(group_of(self._rule)(hyper, self._assign) for hyper in self._hyper)

    maximize, clip_value, clip_norm, check_finite = map(option, CHANGEABLE)

    def _read(self, name):
        return common(name, self._hyper)

    def _assign(self, name, value, groups=None):
        """Take a hyperparameter over, in some groups or in all."""
        groups = self._hyper if groups is None else groups
        values, *_ = [mine.checked(name, value) for mine in groups]
        if self._options.capturable and any(map(callable, values.values())):
            raise ValueError(NO_SCHEDULES)
        check_alike(self._rule, [mine.values | (values if mine in groups else {}) for mine in self._hyper])
        to_the_end(self._take_values, groups, values)

    def _take_values(self, groups, values):
        for mine in groups:
            mine.values.update(values)
        self._hold_numbers()
        if self._needs_stage() != self._staged:
            self._bind()
        if self._options.capturable:
            self._steps.take_numbers(self._numbers(1, self._scale))
        self._hold_fast_path()

    def _read_option(self, name):
        return getattr(self._options, name)

    def _assign_option(self, name, value):
        options = self._options._replace(**{name: value})
        check_options(options)
        self._layout.check_options(options)
        if options.capturable and name == "clip_norm":
            raise ValueError(f"clip_norm must stay what it was made with where capturable=True, got {describe(value)}")
        to_the_end(self._change_options, options)

    def _change_options(self, options):
        self._take_options(options)
        if options.capturable:
            self._bind()
            self._steps.take_numbers(self._numbers(1, self._scale))
        else:
            self._steps = self._target.steps(self._rule, self._layout, options)
            self._prepare()

    def _take_options(self, options):
        self._options, self._bound, self._scale = options, options.bound, scale_of(options.maximize, False)
        self._measures = options.clip_norm is not None or bool(options.check_finite)

    def _bind(self):
        """Give the blocks their kernels: with a stage where something is done to gradients before the rule sees them.

        Where a graph was captured the kernels stay what they are, so they have a stage from the start.
        """
        staged = self._needs_stage()
        self._layout.bind(staged, self._options)
        self._steps.prepare(staged)
        self._staged = staged

    def _needs_stage(self):
        options = self._options
        changes = options.modifies or self._rule.before is not None
        return changes or options.capturable or any(mine.decays() for mine in self._hyper)

    def __repr__(self):
        n, size = len(self._layout.leaves), sum(leaf.size for leaf in self._layout.leaves)
        hyper = self._hyper[0] if not self._grouped else f"{len(self._hyper)} groups"
        what = f"{n} array{'s' if n > 1 else ''}, {size} parameter{'s' if size != 1 else ''}"
        return f"<{self._rule.label or self._rule.name}({hyper}) on {what}, t={self.t}>"
