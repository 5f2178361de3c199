"""Ctrl-C and ``maxtime`` where an evaluation becomes 10 000 times dearer on the way, after slices had grown long."""

import json
import os
import subprocess
import sys

import pytest
from interrupts import RUNS
from processes import with_package

from fastopt.kernels import slices

CODE = """
import json, os, sys
from interrupts import RUNS, seconds_late, seconds_to_stop, training
found = {"threads": len(sys._current_frames())}
for name, run in RUNS.items():
    run(maxiter=2, maxtime=99)  # compiles
    found[name] = seconds_late(run, 0.3), seconds_to_stop(lambda: run(maxtime=99), 0.3)
for accumulate in (1, 20_000):
    training(accumulate, 2)[1]()
    opt, run = training(accumulate)
    found[f"fit {accumulate}"] = seconds_to_stop(run, 0.5), float(opt.params[0]), opt.t
child = os.fork()  # which must start a thread of its own
if not child:
    os._exit(int(10 * max(0.0, seconds_late(RUNS["by address"], 0.3))))
found["late in a child"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) / 10
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What each run took, in a process of its own, which a signal may end."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CODE]  # of forks with threads, in 3.12
    done = subprocess.run(command, env=with_package(), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # as the process ends, the thread does, in silence
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", RUNS)
def test_a_limit_and_an_interrupt_hold(found, name):
    """Within 0.2 seconds and an evaluation; ten times that on a machine that does other things."""
    late, stopped = found[name]
    assert late < 2.0
    assert stopped < 2.0


@pytest.mark.parametrize("accumulate", [1, 20_000])
def test_an_interrupt_in_a_training(found, accumulate):
    """After a batch, also within an update, which takes up to 40 seconds; each step went down by 1."""
    stopped, w, t = found[f"fit {accumulate}"]
    assert stopped < 2.0
    assert round(-w) == t > 0


def test_the_thread_that_ticks(found):
    """None by an import, and one more in a forked child, which no signal ended."""
    assert found["threads"] == 1
    assert 0.0 <= found["late in a child"] < 2.0


def test_where_no_thread_can_be_started(monkeypatch):
    """Slices end at once."""

    def refused(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(slices, "_alive", [])
    monkeypatch.setattr(slices, "start_new_thread", refused)
    with slices.ticking() as (_, last):
        assert last == slices._ticks[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_in_a_slice():
    """It counts none as running, in which its thread would tick for ever, and may leave the slice."""
    with slices.ticking():
        child = os.fork()
        if not child:
            try:
                running = len(slices._running)
                slices.ticking().__exit__()
                os._exit(running)
            finally:
                os._exit(100)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
