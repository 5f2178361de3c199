"""The examples in docstrings run, and whatever users call has one."""

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import fastopt
from fastopt.rules import ALL_RULES
from fastopt.targets import missing


@pytest.mark.parametrize("name", fastopt.__all__)
def test_public_names_are_documented_with_an_example(name):
    """A module by itself, or each name in it; RULES is data."""
    found = getattr(fastopt, name)
    if isinstance(found, ModuleType) and ">>>" not in found.__doc__:
        assert found.__all__
        for inner in found.__all__:
            assert inspect.getdoc(getattr(found, inner)), inner
    elif not isinstance(found, tuple):
        assert ">>>" in found.__doc__


def examples_in(name):
    """The examples of a module, of its functions, classes and methods."""
    return doctest.DocTestFinder(exclude_empty=True).find(import_module(name), name)


def run_examples(test):
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    result = runner.run(test, out=output.append)
    assert not result.failed, "".join(output)
    assert result.attempted


FOLDER = Path(fastopt.__file__).parent
EXAMPLES = [
    ".".join(("fastopt", *path.relative_to(FOLDER).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(FOLDER.rglob("*.py"))
    if re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
    and path.relative_to(FOLDER).as_posix() != "numbers/public.py"  # which writes those of jit: test_jit.py runs them
]


def of_room(name):
    """The module, with the mark of what its room needs."""
    return pytest.param(name, marks=pytest.mark.needs("peers")) if name.startswith("fastopt.torch") else name


@pytest.mark.parametrize("name", [*map(of_room, EXAMPLES)])
def test_examples_of_modules(name):
    if name == "fastopt.targets.transfer" and missing():
        pytest.skip("test_cuda_optimizer.py runs its examples in the simulator")
    tests = [test for test in examples_in(name) if test.examples]
    for test in tests:
        run_examples(test)
    assert tests


def test_every_room_that_users_enter_has_examples():
    rooms = {*(name.split(".")[1] for name in EXAMPLES if "." in name)}
    assert rooms >= {"jit", "problems", "rules", "schedules", "solve", "step", "targets", "train"}


@pytest.mark.parametrize("label", sorted({rule.label for rule in ALL_RULES}))
def test_examples_of_constructors(label):
    make = getattr(fastopt, label)
    test = doctest.DocTestParser().get_doctest(make.__doc__, {}, label, None, 0)
    run_examples(test)


@pytest.mark.needs("peers")
def test_examples_of_classes_for_pytorch():
    for rule in fastopt.RULES:
        made = getattr(import_module("fastopt.torch"), rule.label)
        run_examples(doctest.DocTestParser().get_doctest(made.__doc__, {}, rule.label, None, 0))
