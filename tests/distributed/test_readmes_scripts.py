"""The scripts of several processes in README.md run as written, by the commands that it names."""

import re
import subprocess
import sys

import pytest
from processes import with_package
from test_readme import EVERY, README

FITS, TRAIN = (next(block for block in EVERY if f"import {name}" in block) for name in ("Client", "MPI"))


def ran(folder, name, script, command):
    assert f"`{command} {name}`" in README
    (folder / name).write_text(script)
    words = [sys.executable if word == "python" else word for word in command.split()]
    done = subprocess.run([*words, name], cwd=folder, env=with_package(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("dask")
def test_fits(tmp_path):
    assert ran(tmp_path, "fits.py", FITS, "python") == "True True\n"


@pytest.mark.needs("mpi")
def test_train(tmp_path):
    """Near the coefficients that the labels were drawn with."""
    said = ran(tmp_path, "train.py", TRAIN, "mpiexec -n 2 python")
    w = [float(number) for number in re.findall(r"-?\d+\.\d*", said)]
    assert w == pytest.approx([1.0, -2.0, 0.5, 0.2], abs=0.3)
    assert (tmp_path / "run.npz").exists()
