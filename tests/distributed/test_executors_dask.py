"""minimize_many by the workers of Dask, processes as on other machines."""

import re
import subprocess
import sys

import executed
import numpy as np
import pytest
from executed import both, with_raising
from processes import with_package

import fastopt
from fastopt.distributed import executors, tasks

pytestmark = [
    pytest.mark.needs("dask"),
    pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning"),
]


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", with_package()["PYTHONPATH"])
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        yield client


def test_the_bits_of_a_run_without(client):
    executor = client.get_executor()
    both(executor, executed.line_, with_raising(41))
    both(executor, executed.curve, executed.problems(41), jac=None, gtol=0.05, maxiter=400)
    both(executor, lambda *args: executed.line(*args), with_raising(9), lr=lambda step: 0.1 / (1 + step))


def test_workers_are_those_of_the_cluster(client):
    executor = client.get_executor()
    assert executors._workers(executors.dealing(executor, None, None)) == (2, 2)
    res = fastopt.minimize_many(
        executed.threads, *executed.problems(8), "adam", "inplace", executor=executor, options={"maxiter": 0}
    )
    assert set(res.fun) == {max(1, tasks._cores() // 2)}


def test_large_arrays_are_moved_by_dask(client):
    """Which warns where they come with a task."""
    X, (Y,), (t,) = executed.problems(8)
    large = np.zeros(2_000_000)

    def sums(x, grad, y, t, large):
        return executed.line(x, grad, y, t) + large[0]

    both(client.get_executor(), sums, (X, (Y,), (t, large)), maxiter=2)
    rows = np.zeros((8, 1_000_000)) + Y[:, :1]
    both(client.get_executor(), executed.ignoring, (X, (Y, rows), (t,)), maxiter=2, chunk=4)


def test_a_worker_that_dies(client):
    from distributed import KilledWorker

    client.cluster.scheduler.allowed_failures = 0
    X, (Y,), shared = executed.problems(8)
    Y[5, 0] = 200.0
    with pytest.raises(KilledWorker):
        fastopt.minimize_many(executed.dies, X, (Y,), shared, "adam", "inplace", executor=client.get_executor())


def test_the_script_of_the_page(tmp_path):
    (script,) = re.findall(r"```python\n(import dask.*?)```", fastopt.distributed.__doc__, re.DOTALL)
    (tmp_path / "fits.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "fits.py"], cwd=tmp_path, env=with_package(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1000 of 1000 problems succeeded: 1000 gtol.\n"
