"""Train a real model with every rule, against SciPy's optimum: the work of ``fastopt compare``."""

import os
import sys
from importlib import import_module

from ...errors import describe, quote, shorten
from ...rules import RULES, Rule


class BadInput(Exception):
    """What was asked for cannot be done; the text says in one sentence what must be, and what was given."""


def chosen(names: list[str]) -> list[Rule]:
    """The rules of these names; all, where there are none. ``module:name`` is a rule of the user's."""
    known = {rule.name: rule for rule in RULES}
    for name in names:
        if name.lower() not in known and ":" not in name:
            raise BadInput(
                f"--rule must be one of {shorten(', '.join(known), 150)}, or module:name of yours, got {quote(name)}"
            )
    found = list(dict.fromkeys(_own(name) if ":" in name else known[name.lower()] for name in names))
    twice = next((one.name for k, one in enumerate(found) if one.name in [rule.name for rule in found[:k]]), None)
    if twice is not None:
        raise BadInput(f"the rules must have names unlike each other, got two of the name {quote(twice, 40)}")
    return found or list(RULES)


def _own(text: str) -> Rule:
    """The rule that a module has under a name; modules in the current folder are found as Python finds them."""
    module, _, name = text.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    wanted = f"--rule {shorten(text, 80)} must be module:name of a fastopt.Rule"
    try:
        rule = getattr(import_module(module), name)
    except Exception as error:  # whatever the module raises as it is run
        raise BadInput(f"{wanted}, got {type(error).__name__}: {shorten(str(error), 120)}") from error
    if not isinstance(rule, Rule):
        raise BadInput(f"{wanted}, got {describe(rule)}")
    return rule
