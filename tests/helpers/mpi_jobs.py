"""Jobs of real MPI processes. A job's script prints JSON on its last line, on each rank that has something to say."""

import json
import subprocess
import sys

from processes import with_package

# Before a script: ``comm``, and ``say(...)``, of which a rank's answer is made.
HEAD = """
import json, os, signal, sys
import numpy as np
from mpi4py import MPI
import fastopt
import on_ranks
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background turns off
comm = MPI.COMM_WORLD
rank = comm.Get_rank()
def say(*answer):
    sys.stdout.write(json.dumps([rank, *answer]) + chr(10))
    sys.stdout.flush()
"""


def started(ranks, script, *, module=()):
    """The process of a job."""
    return subprocess.Popen(
        ["mpiexec", "-n", str(ranks), sys.executable, *module, "-c", HEAD + script],
        env=with_package(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def job(ranks, script, *, module=(), seconds=60, ends_well=True):
    """What each rank says, in their order, and what the job wrote to stderr; it must end by itself in time."""
    process = started(ranks, script, module=module)
    try:
        out, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert (process.returncode == 0) == ends_well, errors
    return [answer for _, *answer in sorted(map(json.loads, out.splitlines()))], errors
