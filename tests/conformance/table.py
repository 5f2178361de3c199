"""The manual's table of conformance: ``python tests/conformance/table.py`` measures and writes it anew.

Needs the extras peers and dialects. What it finds is kept in results.json beside it, from which the manual is made.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import fastopt
from conformance.cases import CELLS

RESULTS = Path(__file__).with_name("results.json")
COLUMNS = {"torch": "PyTorch", "optax": "optax", "keras": "Keras", "sklearn": "scikit-learn", "timm": "timm"}
PACKAGES = COLUMNS | {"torch": "torch", "keras": "keras"}
SAME, PRESET, KEYWORDS, NONE = "same", "same with preset", "same with keywords", "no counterpart"


def measured(cell) -> tuple[str, float]:
    """What stands in a cell, and the largest difference of all comparisons."""
    from conformance.compare import differences, preset_for

    preset = preset_for(cell)
    found = max(differences(cell, preset))
    if cell.differs or found > cell.within:
        return NONE, found
    if all(apart <= cell.within for apart in differences(cell, None, own=False)):
        return SAME, found
    return (PRESET if preset else KEYWORDS), found


def measure() -> dict:
    cells: dict = {}
    for (label, framework), cell in CELLS.items():
        verdict, found = measured(cell)
        cells.setdefault(label, {})[framework] = [verdict, float(f"{found:.1e}")]
    return {"versions": {name: version(package) for name, package in PACKAGES.items()}, "cells": cells}


def results() -> dict:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def markdown() -> str:
    """The table with a row for every rule, and its notes."""
    found, notes = results(), []
    heads = [f"{name} {found['versions'][key].partition('+')[0]}" for key, name in COLUMNS.items()]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for rule in fastopt.RULES:
        row = found["cells"].get(rule.label, {})
        cells = [text(CELLS[rule.label, key], *row[key], notes) if key in row else "–" for key in COLUMNS]
        lines.append(f"| `fastopt.{rule.label}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{i}. {note}" for i, note in enumerate(notes, 1))]) + "\n"


def text(cell, verdict, found, notes) -> str:
    """A cell, with the number of its note; a note that is new is added."""
    if verdict == KEYWORDS:
        given = ", ".join(f"{name}={value!r}" for name, value in cell.ours.items())
        verdict = f"same with `{given}`"
    mark = ""
    if cell.note:
        if cell.note not in notes:
            notes.append(cell.note)
        mark = f" ({notes.index(cell.note) + 1})"
    return f"{verdict}, {found:.0e}{mark}" if found else f"{verdict}, exact{mark}"


if __name__ == "__main__":
    RESULTS.write_text(json.dumps(measure(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(markdown())
