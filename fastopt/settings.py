"""The method and options of ``minimize`` and ``minimize_many``, checked."""

import math
from typing import NamedTuple

from .api import choose, variant_keywords
from .errors import describe
from .hyper import Hyper, keywords
from .options import check_options
from .rules import ALL_RULES, Rule

RULES_BY_NAME = {rule.name: rule for rule in ALL_RULES}


class Settings(NamedTuple):
    """Options, checked."""

    rule: Rule
    hyper: Hyper
    maximize: bool
    clip_value: float | None
    clip_norm: float | None
    gtol: float
    ftol: float
    xtol: float
    maxiter: int
    maxfun: int | None
    maxtime: float | None
    best: bool
    inline: bool | None

    @property
    def staged(self):
        return self.maximize or self.clip_value is not None or self.clip_norm is not None or self.hyper.decays()

    def row(self, t):
        """What the loop makes the coefficients of step t from."""
        h = self.hyper.at(t)
        if self.staged:
            bound = math.inf if self.clip_value is None else float(self.clip_value)
            h = (*h, bound, -1.0 if self.maximize else 1.0, self.hyper.decay(t))
        return h if self.clip_norm is None else (*h, float(self.clip_norm))


def settings(method, options, tol=None) -> Settings:
    """The rule and the options of a call; raises where something is unknown or out of range."""
    if isinstance(method, Rule):
        rule = method
    elif isinstance(method, str) and method.lower() in RULES_BY_NAME:
        rule = RULES_BY_NAME[method.lower()]
    else:
        raise ValueError(f"method must be a Rule or one of {', '.join(RULES_BY_NAME)}, got {describe(method)}")
    given = {"gtol": 1e-5, "ftol": 0.0, "xtol": 0.0, "maxiter": 10000, "maxfun": None, "maxtime": None}
    given |= {"best": False, "inline": None, "maximize": False, "clip_value": None, "clip_norm": None}
    own, more = {}, {} if tol is None else {"gtol": tol}
    switches = variant_keywords(rule)
    known = keywords(rule)
    for name, value in (options or {}).items():
        if name in given:
            more[name] = value
        elif name in known or name in switches:
            own[name] = value
        else:
            names = ", ".join((*known, *switches, *given))
            raise TypeError(f"options of {rule.name} must be {names}; got {name!r}")
    rule = choose(rule, switches, own)
    given |= more
    check_options(given["maximize"], given["clip_value"], given["clip_norm"])
    for name in ("gtol", "ftol", "xtol"):
        _check_number(name, given[name], least=0.0)
    for name, least in (("maxiter", 0), ("maxfun", 1)):
        if given[name] is not None or name == "maxiter":
            _check_count(name, given[name], least)
    if given["maxtime"] is not None:
        _check_number("maxtime", given["maxtime"], least=0.0)
    for name in ("best", "inline"):
        if not isinstance(given[name], bool) and not (name == "inline" and given[name] is None):
            raise TypeError(f"{name} must be True or False, got {describe(given[name])}")
    return Settings(rule=rule, hyper=Hyper(rule, own, rule.name), **given)


def _check_number(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {describe(value)}")
    if not value >= least:
        raise ValueError(f"{name} must be at least {least:g}, got {value!r}")


def _check_count(name, value, least):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {describe(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
