"""Train a real model with every rule, against SciPy's optimum: the work of ``fastopt compare``."""

from ...rules import RULES, Rule


class BadInput(Exception):
    """What was asked for cannot be done; the text says in one sentence what must be, and what was given."""


def chosen(names: list[str]) -> list[Rule]:
    """The rules of these names; all, where there are none."""
    known = {rule.name: rule for rule in RULES}
    for name in names:
        if name.lower() not in known:
            raise BadInput(f"--rule must be one of {', '.join(known)}, got {name!r}")
    return [known[name] for name in dict.fromkeys(name.lower() for name in names)] or list(RULES)
