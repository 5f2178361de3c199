"""Functions in kernels of the disk cache have names that those of no other process have."""

import subprocess
import sys
from itertools import pairwise

from processes import with_package

NUMBERS = """
import os
import fastopt.kernels.bind
from numba.core.bytecode import FunctionIdentity
child = os.fork()
if child:
    os.waitpid(child, 0)
print(FunctionIdentity.from_function(lambda: None).unique_id, flush=True)
"""


def test_no_two_processes_count_the_same():
    """Else a kernel from the cache may call what belongs to another: nor does a forked child go on where it was."""
    runs = [
        subprocess.run([sys.executable, "-c", NUMBERS], env=with_package(), capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    numbers = sorted(int(line) for run in runs for line in run.stdout.split())
    assert len(numbers) == 4
    assert min(b - a for a, b in pairwise(numbers)) > 10**9
