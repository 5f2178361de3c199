"""README.md tells the truth: its examples run as written, its links lead somewhere, the rules it lists exist."""

import re
from pathlib import Path

import pytest
from storms import table

import fastopt

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERY = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
# Those of several processes are run by tests/distributed/test_readmes_scripts.py.
BLOCKS = [block for block in EVERY if "import MPI" not in block and "import Client" not in block]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_example_runs(block, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, f"<README example {BLOCKS.index(block)}>", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out.split("\n")
    wanted = re.findall(r"print\(.*\)\s+# (.*)", block)
    assert [line for line in printed if line] == wanted


def test_there_are_examples_of_every_way_in():
    for name in ("Adam(", "fit(", "minimize(", "minimize_many(", "curve_fit_many(", "method("):
        assert any(f"fastopt.{name}" in block for block in EVERY), name
    for name in ("jit.adam(", "executor=", "comm="):
        assert any(name in block for block in EVERY), name


def test_it_is_a_front_page():
    before, rest = README.split(table.BEGIN)  # the table of storms is as long as there are storms
    assert len((before + rest.partition(table.END)[2]).splitlines()) <= 280


def test_what_it_links_to_is_there():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert not [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]


def test_the_rules_that_it_lists_are_there():
    listed = re.search(r"## The rules\n\n((?:`\w+`\s)+)", README)[1]
    assert set(re.findall(r"\w+", listed)) <= {rule.label for rule in fastopt.RULES}
