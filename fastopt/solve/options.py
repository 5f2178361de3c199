"""The method and options of ``minimize`` and ``minimize_many``, checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..checks import as_float
from ..errors import describe, quote, shorten
from ..kernels.modifiers import HYPER, scale_of
from ..rules import ALL_RULES, Rule
from ..rules.keywords import keywords
from ..step.changes import with_changes
from ..step.constructors import choose, variant_keywords
from ..step.hyperparameters import Hyper
from ..step.options import Options, check_options
from . import default

RULES_BY_NAME = {rule.name: rule for rule in ALL_RULES}


@dataclass(frozen=True, eq=False)
class Settings:
    """Options, checked, and what loops are given of them."""

    rule: Rule
    hyper: Hyper
    maximize: bool
    clip_value: float | None
    clip_norm: float | None
    before: Any
    after: Any
    cautious: bool
    gtol: float
    ftol: float
    xtol: float
    maxiter: int
    maxfun: int | None
    maxtime: float | None
    best: bool
    inline: bool | None
    lanes: int | None
    disp: bool
    return_all: bool
    x_scale: Any

    def check_fits(self, dtype):
        """Raise where an option is no number in arrays of this dtype."""
        self.hyper.check_fits(dtype)
        Options(clip_value=self.clip_value).check_fits(dtype)

    @cached_property
    def staged(self):
        clips = self.clip_value is not None or self.clip_norm is not None
        return self.maximize or clips or self.rule.before is not None or self.hyper.decays()

    @cached_property
    def tests(self):
        return np.array([test if test > 0.0 else -1.0 for test in (self.gtol, self.ftol, self.xtol)])

    @cached_property
    def first_numbers(self) -> list[float]:
        """The numbers of loops/minimize.py: value, best, sign, first value, and what the rule keeps."""
        return [0.0, 0.0, -1.0 if self.maximize else 1.0, math.nan, *self.hyper.kept]

    @cached_property
    def first_rows(self):
        """The row of the first step, as a table of one and as a tuple."""
        row = self.row(1)
        return np.array([row]), row

    @property
    def no_row(self):
        """Something of a row's length for runs without steps, whose schedules are asked for none. Nobody reads it."""
        return (0.5,) * (len(self.rule.hyper) + len(HYPER) * self.staged + (self.clip_norm is not None))

    def row(self, t):
        """What the loop makes the coefficients of step t from."""
        return self.whole_row(t) if self.staged else self.hyper.at(t)

    def whole_row(self, t):
        """The same with the numbers of a stage, which change nothing where none is asked for."""
        bound = math.inf if self.clip_value is None else float(self.clip_value)
        h = (*self.hyper.at(t), bound, scale_of(self.maximize, self.clip_norm is not None), self.hyper.decay(t))
        return h if self.clip_norm is None else (*h, float(self.clip_norm))


DEFAULTS = {
    "gtol": 1e-5,
    "ftol": 0.0,
    "xtol": 0.0,
    "maxiter": 10000,
    "maxfun": None,
    "maxtime": None,
    "best": False,
    "inline": None,
    "lanes": None,
    "disp": False,
    "return_all": False,
    "x_scale": None,
    "maximize": False,
    "clip_value": None,
    "clip_norm": None,
    "before": None,
    "after": None,
    "cautious": False,
}


LANES = (1, 2, 4, 8, 16)  # problems that are solved side by side


def rule_named(method) -> Rule:
    if isinstance(method, Rule):
        return method
    if isinstance(method, str) and method.lower() in RULES_BY_NAME:
        return RULES_BY_NAME[method.lower()]
    raise ValueError(
        "method must be a Rule or the name of one, such as adam, sgd or rprop (fastopt.RULES has all), "
        f"got {describe(method)}"
    )


def known_options(rule) -> dict:
    """What ``options`` may hold, with defaults."""
    return {**keywords(rule), **variant_keywords(rule), **DEFAULTS}


def refuse_unknown(options, rule, whose=None):
    """Raise where the rule does not have an option; ``whose`` is what the default rule is called."""
    known = known_options(rule)
    for name in options:
        if name not in known:
            better = default.advice(name, RULES_BY_NAME.values(), known_options) if whose else None
            whose = whose or shorten(rule.name, 40)
            raise TypeError(
                f"options of {whose} must be {shorten(', '.join(known), 160)}; got {quote(name, 60)}"
                + (f": {better}" if better else "")
            )


def settings(method, options, tol=None, bounded=False) -> Settings:
    """The rule and the options of a call; raises where something is unknown or out of range."""
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a mapping, got {describe(options)}")
    try:
        if "before" in options or "after" in options:  # what they depend on is looked at each time
            return _settings(method, options, tol, bounded)
        return _remembered(method, tol, bounded, *options.keys(), *options.values())
    except TypeError:  # an option that cannot be hashed, or one that is refused
        return _settings(method, options, tol, bounded)


@lru_cache(maxsize=256, typed=True)  # typed: 1 and True are equal
def _remembered(method, tol, bounded, *items):
    half = len(items) // 2
    return _settings(method, dict(zip(items[:half], items[half:])), tol, bounded)


def _settings(method, options, tol, bounded):
    rule, options = _chosen(method, options, bounded)
    taken = next(iter(rule.hyper.keys() & DEFAULTS), None)
    if taken is not None:
        raise ValueError(f"a hyperparameter of rule {rule.name!r} must not be named like an option, got {taken!r}")
    given = DEFAULTS | ({} if tol is None else {"gtol": tol}) | {k: v for k, v in options.items() if k in DEFAULTS}
    own: dict[str, Any] = {name: value for name, value in options.items() if name not in DEFAULTS}
    lr = own.get("lr", 0.0)
    if isinstance(lr, (list, tuple)) or getattr(lr, "shape", None):
        raise TypeError(
            f"lr must be one number or a schedule, got {describe(lr)}: for one of each variable give x_scale too"
        )
    switches = variant_keywords(rule)
    rule = choose(rule, switches, own)
    check_options(Options(given["maximize"], given["clip_value"], given["clip_norm"]))
    for name in ("gtol", "ftol", "xtol"):
        given[name] = _number(name, given[name], least=0.0)
    for name, least in (("maxiter", 0), ("maxfun", 1)):
        if given[name] is not None or name == "maxiter":
            given[name] = _count(name, given[name], least)
    if given["maxtime"] is not None:
        given["maxtime"] = _number("maxtime", given["maxtime"], least=0.0)
    if given["lanes"] is not None and (type(given["lanes"]) is not int or given["lanes"] not in LANES):
        raise ValueError(f"lanes must be None or one of {', '.join(map(str, LANES))}, got {describe(given['lanes'])}")
    given["disp"] = bool(given["disp"]) if isinstance(given["disp"], int) else given["disp"]  # SciPy takes numbers
    for name in ("best", "inline", "disp", "return_all"):
        if not isinstance(given[name], bool) and not (name == "inline" and given[name] is None):
            raise TypeError(f"{name} must be True or False, got {describe(given[name])}")
    hyper = Hyper(rule, own, rule.name)
    rule = with_changes(rule, given["before"], given["after"], given["cautious"])
    return Settings(rule=rule, hyper=hyper, **given)


def _chosen(method, options, bounded):
    """The rule, and its options."""
    if method is not None:
        rule = rule_named(method)
        refuse_unknown(options, rule)
        return rule, options
    name, own_options, whose = default.chosen(bounded)
    rule = rule_named(name)
    refuse_unknown(options, rule, whose)
    return rule, own_options | dict(options)


def _number(name, value, least) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {describe(value)}")
    if not value >= least:
        raise ValueError(f"{name} must be at least {least:g}, got {describe(value)}")
    return as_float(value)


def _count(name, value, least) -> int:
    if isinstance(value, (float, np.floating)) and value == np.floor(value) < np.inf:  # 1e4, as people write it
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, got {describe(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {describe(value)}")
    return int(value)
