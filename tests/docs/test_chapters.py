"""The chapters of the manual are the docstrings of rooms: there, with examples, and naming only what exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import fastopt

ROOT = Path(__file__).parents[2]
CHAPTERS = ("step", "jit", "solve", "train", "rules", "schedules", "targets", "problems", "distributed", "cli")
MODULES = ("fastopt", *(f"fastopt.{name}" for name in CHAPTERS))


@pytest.mark.parametrize("name", MODULES)
def test_a_chapter_has_a_text_with_examples(name):
    doc = import_module(name).__doc__
    assert len(doc.split()) > 20
    assert ">>>" in doc or name == "fastopt.cli"


def test_the_first_chapter_leads_to_all_others():
    for name in (*CHAPTERS, "torch"):
        assert f"`fastopt.{name}`" in fastopt.__doc__


def public():
    """Every public object with a docstring, by name."""
    yield from ((name, import_module(name)) for name in MODULES)
    for module in (fastopt, fastopt.schedules, fastopt.problems):
        yield from ((f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__)
    yield from ((f"fastopt.jit.{name}", getattr(fastopt.jit, name)) for name in dir(fastopt.jit))


@pytest.mark.parametrize(("name", "found"), [*public()], ids=lambda x: x if isinstance(x, str) else "")
def test_names_in_a_text_exist(name, found):
    for mentioned in re.findall(r"`(fastopt(?:\.\w+)+)[`(]", found.__doc__ or ""):
        owner, _, attribute = mentioned.rpartition(".")
        if mentioned != "fastopt.torch":  # which needs PyTorch to be imported
            assert hasattr(fastopt if owner == "fastopt" else import_module(owner), attribute), mentioned


def test_the_manual_shows_what_fastopt_compare_found(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    which_rule = import_module("which_rule")
    head, _, *rows = which_rule.markdown().splitlines()
    assert head.count("|") == rows[0].count("|")
    shown = [row.split("`")[1] for row in rows]
    assert shown == [f"fastopt.{rule.label}" for rule in fastopt.RULES if f"fastopt.{rule.label}" in shown]
    assert "fastopt.Adam" in shown
