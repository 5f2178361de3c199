"""comm= with the real thing: processes that MPI starts."""

import re
import subprocess
import sys

import numpy as np
import pytest
from mpi_jobs import job
from on_ranks import gradients, parameters, summed, values
from processes import with_package

import fastopt
import fastopt.distributed

pytestmark = pytest.mark.needs("mpi")

STEPS = """
opt = fastopt.Adam(on_ranks.parameters(), lr=0.1, clip_norm=1.0, comm=comm)
for t in range(4):
    g = on_ranks.gradients(opt.params, t, rank)
    opt.step({"W": None} | {name: g[name] for name in "bcs"} if t == 1 and rank else g)
say({name: p.tolist() for name, p in opt.params.items()}, opt.t, opt.state["m"]["W"].size)
"""


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_ranks_step_as_one_that_is_given_the_sum(ranks):
    found, _ = job(ranks, STEPS)
    alone = fastopt.Adam(parameters(), lr=0.1, clip_norm=1.0)
    for t in range(4):
        each = [gradients(alone.params, t, rank) for rank in range(ranks)]
        each = [g | {"W": None} if t == 1 and rank else g for rank, g in enumerate(each)]
        alone.step(summed(each))
    assert all(one[0] == found[0][0] for one in found)
    assert [one[1] for one in found] == [4] * ranks
    assert ranks == 1 or max(one[2] for one in found) < 35
    for name, p in values(alone.params).items():
        np.testing.assert_allclose(np.array(found[0][0][name]), p, rtol=1e-5, atol=1e-6)


CHECKPOINT = """
opt = fastopt.Adam(on_ranks.parameters(), lr=0.1, comm=comm)
for t in range(2):
    opt.step(on_ranks.gradients(opt.params, t, rank))
fastopt.save({path!r}, opt)
say(opt.params["W"].tolist())
"""


def test_one_file_of_three_ranks(tmp_path):
    found, _ = job(3, CHECKPOINT.format(path=str(tmp_path / "run")))
    opt = fastopt.Adam(parameters())
    fastopt.load(tmp_path / "run", opt)
    assert opt.t == 2
    assert opt.params["W"].tolist() == found[0][0]
    assert opt.state["v"]["W"].shape == (5, 7)


MISTAKE = """
opt = fastopt.SGD(np.zeros(3), lr=0.1, comm=comm)
try:
    opt.step(np.zeros(3) if rank != 1 else np.zeros(4))
except Exception as error:
    say(f"{type(error).__name__}: {error}", opt.t)
"""


def test_a_mistake_of_one_rank_is_told_to_all():
    said = "ValueError: grads must have shape (3,), got (4,)"
    others = [f"ValueError: rank 1 of 3 raised {said}", 0]
    assert job(3, MISTAKE)[0] == [others, [said, 0], others]


# One rank is interrupted in the midst of its steps, of which each takes all ranks.
INTERRUPT = """
import threading
opt = fastopt.SGD(np.zeros(1 << 18), lr=1.0, comm=comm)
gradient = np.full(1 << 18, 0.5)
if rank == 0:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
came = False
while True:
    try:
        opt.step(gradient)
    except KeyboardInterrupt:
        came = True
    stop = np.array([came])
    told = np.empty(comm.Get_size(), bool)
    comm.Allgather(stop, told)
    if told.any():
        break
say(came, opt.t, float(opt.params.min()), float(opt.params.max()))
"""


def test_an_interrupt_waits_until_the_step_is_done_on_all_ranks():
    (first, second), _ = job(2, INTERRUPT)
    assert [first[0], second[0]] == [True, False]
    assert first[1:] == second[1:] == [first[1], -float(first[1]), -float(first[1])]


# What a script raises by itself only ``-m mpi4py`` tells the others, which wait in the step.
OWN_ERROR = """
opt = fastopt.SGD(np.zeros(3), lr=1.0, comm=comm)
for t in range(10):
    if t == 5 and rank == 1:
        raise KeyError("mine")
    opt.step(np.ones(3))
"""


def test_a_script_that_raises_ends_all_with_mpi4py():
    found, errors = job(2, OWN_ERROR, module=("-m", "mpi4py"), ends_well=False)
    assert found == []
    assert "KeyError: 'mine'" in errors


WIRE = """
class Counting:
    sent = 0
    def __getattr__(self, name):
        return getattr(comm, name)
    def Alltoallv(self, send, received):
        Counting.sent += send[0].nbytes - send[1][rank] * send[0].itemsize
        comm.Alltoallv(send, received)
    def Allgatherv(self, send, received):
        Counting.sent += send.nbytes * (comm.Get_size() - 1)
        comm.Allgatherv(send, received)

n = 3_000_001
x = np.zeros(n, np.float32)
opt = fastopt.Adam(x, comm=Counting())
opt.step(np.ones(n, np.float32))
say(Counting.sent, opt.state["m"].size, float(x.min()) == float(x.max()))
"""


@pytest.mark.parametrize("ranks", [2, 4])
def test_bytes_on_the_wire_and_of_the_state(ranks):
    n = 3_000_001
    found, _ = job(ranks, WIRE)
    shares = [n * (r + 1) // ranks - n * r // ranks for r in range(ranks)]
    expected = [4 * (n - share) + 4 * share * (ranks - 1) for share in shares]
    assert found == [[sent, share, True] for sent, share in zip(expected, shares)]


def test_the_script_of_the_page(tmp_path):
    (script,) = re.findall(r"```python\n(from mpi4py import.*?)```", fastopt.distributed.__doc__, re.DOTALL)
    (tmp_path / "train.py").write_text(script)
    said = {}
    for ranks in (1, 2):
        done = subprocess.run(
            ["mpiexec", "-n", str(ranks), sys.executable, "train.py"],
            cwd=tmp_path, env=with_package(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said[ranks] = done.stdout
    assert re.fullmatch(r"loss [\d.]+, 98.\d% right\n", said[1])
    assert said[2] == said[1]
    assert (tmp_path / "run.npz").exists()
