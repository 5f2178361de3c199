"""What the tests of the command line share: how it is called, and how it must refuse."""

import subprocess
import sys

import numpy as np
from processes import with_package
from typer.testing import CliRunner

from fastopt.cli.commands import app

QUICK = ["compare", "--rule", "sgd", "--epochs", "2"]


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def fresh(*args, **env):
    """``python -m fastopt`` in a process of its own."""
    command = [sys.executable, "-m", "fastopt", *map(str, args)]
    return subprocess.run(
        command, env=with_package(**env), capture_output=True, text=True, encoding="utf-8", timeout=300
    )


def refusal(*args):
    """The one line on stderr of a call that must be refused."""
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("fastopt: ")
    assert result.stderr.count("\n") == 1
    assert len(result.stderr) <= 300
    return result.stderr


def write_csv(path, lines=None, y=None):
    """A header and lines, or this target with random features; returns the path."""
    if lines is None:
        X = np.random.default_rng(3).normal(size=(len(y), 3))
        lines = ["a,b,c,target"] + [",".join(f"{v:.17g}" for v in (*row, t)) for row, t in zip(X, y)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
