"""README.md tells the truth: its examples run as written, and its table is the one that RULES makes."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_example_runs(block, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, f"<README example {BLOCKS.index(block)}>", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out.split("\n")
    wanted = re.findall(r"print\(.*\)\s+# (.*)", block)
    assert [line for line in printed if line] == wanted


def test_there_are_examples_of_every_way_in():
    ways = ("fastopt.Adam(", "fastopt.fit(", "fastopt.minimize(", "minimize_many(", "fastopt.method(", "jit.adam(")
    for name in ways:
        assert any(name in block for block in BLOCKS), name


def test_the_table_of_rules_is_the_current_one():
    from fastopt.rules.table import rules_markdown

    assert rules_markdown() in README
