"""The manual's table of conformance: there for every rule, explained in every cell, and one with the presets."""

import pytest

import fastopt
from conformance.cases import CELLS
from conformance.table import COLUMNS, NONE, PRESET, SAME, markdown, results
from fastopt.rules.presets import FRAMEWORKS, PRESETS


def test_a_row_for_every_rule_and_a_cell_for_every_framework():
    head, _, *rest = markdown().split("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rest] == [f"fastopt.{rule.label}" for rule in fastopt.RULES]
    assert {line.count("|") for line in (head, *rest)} == {len(COLUMNS) + 2}


def test_what_is_compared_was_measured():
    found = {(label, name) for label, row in results()["cells"].items() for name in row}
    assert found == CELLS.keys(), "python tests/conformance/table.py measures anew"


def test_presets_are_where_the_table_says_so():
    verdicts = {(label, name): v for label, row in results()["cells"].items() for name, (v, _) in row.items()}
    same = {key for key, verdict in verdicts.items() if verdict in (SAME, PRESET) and key[1] in FRAMEWORKS}
    labels = {rule.label for rule in fastopt.RULES}
    assert same == {(label, name) for label, row in PRESETS.items() if label in labels for name in row}
    for (label, name), verdict in verdicts.items():
        if verdict == PRESET:
            assert PRESETS[label][name]


def test_what_differs_has_a_note():
    text = markdown()
    for cell in CELLS.values():
        verdict, _ = results()["cells"][cell.label][cell.framework]
        if verdict == NONE or cell.without or cell.within > 1e-10:
            assert cell.note
        assert cell.note in text


@pytest.mark.parametrize("label", [rule.label for rule in fastopt.RULES])
def test_the_preset_of_pytorch_is_the_defaults(label):
    assert not PRESETS.get(label, {}).get("torch")
