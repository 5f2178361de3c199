"""minimize_many by the workers of MPI, as processes of one job."""

import re
import subprocess
import sys

import pytest
from processes import with_package

import fastopt

pytestmark = pytest.mark.needs("mpi")

SCRIPT = """
import executed
from mpi4py.futures import MPIPoolExecutor
from numba import njit

@njit
def mine(x, grad, y, t):
    return executed.line_(x, grad, y, t)

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        executed.both(executor, executed.line_, executed.with_raising(41))
        executed.both(executor, executed.curve, executed.problems(41), jac=None, gtol=0.05, maxiter=400)
        executed.both(executor, mine, executed.problems(9))
        executed.both(executor, lambda *args: executed.line(*args), executed.with_raising(9))
        print(executor.num_workers, max(executor.map(executed.found_on_disk, ["line_"] * 4)) > 0)
"""


def run(folder, script):
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", "script.py"],
        cwd=folder,
        env=with_package(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bits_of_a_run_without(tmp_path):
    assert run(tmp_path, SCRIPT) == "2 True\n"


def test_the_script_of_the_page(tmp_path):
    (script,) = re.findall(r"```python\n(from mpi4py.futures.*?)```", fastopt.distributed.__doc__, re.DOTALL)
    assert run(tmp_path, script) == "1000 of 1000 problems succeeded: 1000 gtol.\n"
