"""What other rooms know of an optimiser they ask of step/inside.py."""

import ast
from pathlib import Path

import numpy as np
import pytest

import fastopt

PACKAGE = Path(fastopt.__file__).parent
OWN = {"step/optimizer.py", "step/inside.py"}
HELD = {name for kind in fastopt.Optimizer.__mro__[:-1] for name in vars(kind)}
PRIVATE = {name for name in HELD if name.startswith("_") and not name.startswith("__")}


def test_no_other_module_reads_private_attributes_of_an_optimiser():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in PRIVATE and name not in OWN:
                of_itself = isinstance(node.value, ast.Name) and node.value.id == "self"
                found += [] if of_itself else [f"{name}:{node.lineno} {ast.unparse(node)}"]
    assert not found


def test_the_count_is_read_only():
    opt = fastopt.Adam(np.ones(3))
    with pytest.raises(AttributeError):
        opt.t = 5
    assert opt.t == 0
