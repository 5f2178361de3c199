"""Rules of a user's on the command line, by ``module:name``."""

import json

import pytest
from command_line import fresh, refusal

MODULE = """
import math, fastopt

SETTINGS = {"a": 1.0}

def coefficients(t, lr):
    return (lr,)

def update(p, g, lr, length):
    return (p - lr * g * length,)

def square(p, g, lr):
    return g * g

def combine(c, sums, kept):
    return (1.0 / math.sqrt(1.0 + sums[0]),), kept

def plain(p, g, lr):
    return (p - lr * g,)

def by_a_mapping(p, g, lr):
    return (p - SETTINGS["a"] * lr * g,)

def ruled(name, update, **parts):
    return fastopt.Rule(name=name, update=update, coefficients=coefficients, **{"hyper": {"lr": 0.5}, **parts})

short = ruled("short", update, reduces={"square": square}, combine=combine)
same = ruled("short", plain)
uncompiled = ruled("uncompiled", by_a_mapping)
without_lr = ruled("without_lr", plain, hyper={"rate": 1.0})
number = 3
"""
OPTIONS = ["--data", "diabetes", "--epochs", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_rules.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_compare_with_ones_own(folder):
    """In the folder that the command runs in, beside a rule of ours, from the rule's own rate."""
    done = fresh("compare", *OPTIONS, "--rule", "my_rules:short", "--rule", "sgd", "--json", folder / "out.json")
    assert done.returncode == 0, done.stderr
    runs = [run for run in json.loads((folder / "out.json").read_text())["runs"] if run["target"] == "serial"]
    assert [(run["rule"], run["lr"] == 0.5) for run in runs] == [("short", True), ("sgd", False)]
    losses = runs[0]["curve"]["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["my_rules:gone"], "got AttributeError: module 'my_rules' has no attribute 'gone'"),
        (["my_rules:number"], "--rule my_rules:number must be module:name of a fastopt.Rule, got 3"),
        (["no_such_module:rule"], "got ModuleNotFoundError: No module named 'no_such_module'"),
        ([":rule"], "got ValueError: Empty module name"),
        (["my_rules:short", "my_rules:same"], "must have names unlike each other, got two of the name 'short'"),
        (["my_rules:without_lr"], "a rule must have lr to be compared, got without_lr with rate"),
        (["newton"], "or module:name of yours, got 'newton'"),
    ],
)
def test_what_is_no_rule(folder, names, says):
    assert says in refusal("compare", *OPTIONS, *(word for name in names for word in ("--rule", name)))


def test_one_that_does_not_compile(folder):
    done = fresh("compare", *OPTIONS, "--rule", "my_rules:uncompiled")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("fastopt: rule 'uncompiled' must compile for float64 arrays: ")
    assert "Traceback" not in done.stderr
