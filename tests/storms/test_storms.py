"""A short form of each storm, with the same cases in every run."""

import json

import pytest

from storms import NAMES, child, shrink, storm, table


@pytest.mark.parametrize("name", NAMES)
def test_storm(name):
    one = storm(name)
    tried = 0
    for seed in one.SHORT:
        case = child.case_of(one, seed)
        if "allowed" in case:
            case["allowed"] *= 10  # the machine has other things to do
        tried += one.run(case)
    assert tried > 0


def test_a_failing_case_is_made_smaller():
    case = {"sizes": [5, 900, 31, 7], "kind": "wrong", "seed": 77, "options": {"a": True, "b": 2.0}}

    def fails(case):
        return any(size and size > 20 for size in case["sizes"])

    assert shrink.shrunk(case, fails) == {"sizes": [21], "kind": "wrong", "seed": 1, "options": {"a": False, "b": None}}


def test_the_table_is_written_into_the_readme():
    run = {"date": "2026-01-01", "minutes": 60, "storms": [{"promise": "p", "tried": "t", "times": 12345, "lost": 0}]}
    text = table.with_table(f"before\n{table.BEGIN}old\n{table.END}after\n", run)
    assert text.startswith("before\n")
    assert text.endswith(f"{table.END}after\n")
    assert "| p | t | 12,345 | 0 |" in text
    assert "old" not in text


def test_the_readme_has_the_table_of_the_committed_run():
    run = json.loads((table.README.parent / "tests/storms/stress.json").read_text(encoding="utf-8"))
    assert table.markdown(run) in table.README.read_text(encoding="utf-8")
    assert [row["promise"] for row in run["storms"]] == [storm(name).PROMISE for name in NAMES], "storms came or went"
