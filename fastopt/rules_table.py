"""The table of rules: for the README, and for ``fastopt rules``."""

from .hyper import keywords
from .rules import RULES, Rule

COLUMNS = ("constructor", "update", "state", "defaults")


def rows(rules=RULES) -> list[tuple[str, str, str, str]]:
    """Per rule what COLUMNS says, as plain text."""
    return [(rule.label, rule.equation, ", ".join(rule.state) or "–", defaults(rule)) for rule in rules]


def defaults(rule: Rule) -> str:
    """``lr=0.001, betas=(0.9, 0.999)``; of weight decay only what belongs to the rule."""
    own = {name: value for name, value in keywords(rule).items() if name != "weight_decay" or name in rule.hyper}
    return ", ".join(f"{name}={spelt(value)}" for name, value in own.items())


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


def show_rules(console):
    """The same for a rich console; one under the other where the columns do not fit beside each other."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    wide, narrow = (Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False) for _ in range(2))
    for name in COLUMNS:
        wide.add_column(name)
    narrow.add_column(COLUMNS[0])
    narrow.add_column(" · ".join(COLUMNS[1:]), overflow="fold")
    for row in rows():
        wide.add_row(*row)
        narrow.add_row(row[0], f"{row[1]}\nstate: {row[2]}\n{row[3]}")
    fits = console.measure(wide, options=console.options.update(max_width=1000)).maximum <= console.width
    console.print(wide if fits else narrow)
