"""The table of rules: for the README, and for ``fastopt rules``."""

from . import RULES, Rule
from .keywords import keywords

COLUMNS = ("constructor", "update", "state", "defaults")


def rows(rules=RULES) -> list[tuple[str, str, str, str]]:
    """Per rule what COLUMNS says, as plain text."""
    return [(rule.label, rule.equation, ", ".join(rule.state) or "–", defaults(rule)) for rule in rules]


def defaults(rule: Rule) -> str:
    """``lr=0.001, betas=(0.9, 0.999)``; of weight decay only what belongs to the rule."""
    own = {name: value for name, value in keywords(rule).items() if name != "weight_decay" or name in rule.hyper}
    return numbers(own)


def numbers(values) -> str:
    """Keywords as a call has them."""
    return ", ".join(f"{name}={spelt(value)}" for name, value in values.items())


def spelt(value) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(spelt, value))})"
    return str(value) if isinstance(value, bool) else f"{value:g}"


def rules_markdown() -> str:
    """A GitHub table of the rules in RULES.

    >>> print(rules_markdown().splitlines()[2])
    | `GD` | θ ← θ − lr·g, g over all data | – | `lr=0.001` |
    """
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for label, update, state, numbers in rows():
        cells = (f"`{label}`", update, state, f"`{numbers}`")
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
