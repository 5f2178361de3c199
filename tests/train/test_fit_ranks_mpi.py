"""Training on the ranks of a real MPI: logistic regression on real data, and what ends it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from processes import with_package
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer

import fastopt

pytestmark = pytest.mark.needs("mpi")

L2, LR, BATCH, EPOCHS, SEED = 0.01, 0.5, 32, 3, 7
CUT = 400  # rank 0 has so many examples, and rank 1 the rest

BEFORE = f"""
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from mpi4py import MPI
import fastopt
comm, out = MPI.COMM_WORLD, Path(sys.argv[1])
rank = comm.Get_rank()
X, y = np.load(out / "X.npy"), np.load(out / "y.npy")
mine = slice(0, {CUT}) if rank == 0 else slice({CUT}, None)
loss, data = fastopt.problems.logistic({L2}), (X[mine], y[mine])

def made():
    return fastopt.Nesterov(np.zeros(X.shape[1]), lr={LR}, momentum=0.9, comm=comm)
"""

TRAINED = f"""
found = {{}}
for name, options in (
    ("full", dict(batch_size=None, epochs=1500)),
    ("batches", dict(batch_size={BATCH}, epochs={EPOCHS}, seed={SEED})),
):
    opt = made()
    hist = fastopt.fit(loss, opt, data, reduction="mean", **options)
    found[name] = opt.params.tolist(), hist.loss, opt.t
(out / f"{{rank}}.json").write_text(json.dumps(found))
"""

RAISED = """
def raising(w, g, X, y):
    if rank == 1 and opt.t == 5:
        raise ValueError("what rank 1 says")
    return loss(w, g, X, y)

opt = made()
fastopt.fit(raising, opt, data, batch_size=32, epochs=3)
"""

# Rank 1 is interrupted at any moment of a training without an end.
INTERRUPTED = """
def interrupt(number, frame):
    raise KeyboardInterrupt("of a signal")

signal.signal(signal.SIGALRM, interrupt)
chance, found = random.Random(0), []

def arm(epoch, loss, opt):
    if rank == 1 and epoch == 0:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + chance.random() * 0.02)

for k in range(60):
    opt = made()
    options = dict(validation=(X[:50], y[:50]), patience=1000) if k % 2 else {}
    try:
        fastopt.fit(loss, opt, data, batch_size=[32, None][k % 3 == 0], epochs=10**6, callback=arm, **options)
    except BaseException as error:
        found.append((type(error).__name__, str(error)))
    opt.step(np.ones(X.shape[1]))  # raises if the ranks are not in step
    found[-1] += (opt.params.tolist(), opt.t)
(out / f"{rank}.json").write_text(json.dumps(found))
"""


def problem():
    X, y = load_breast_cancer(return_X_y=True)
    X = np.c_[(X - X.mean(axis=0)) / X.std(axis=0), np.ones(len(X))]
    return X, y.astype(float)


def on_two(folder, code):
    for name, a in zip("Xy", problem()):
        np.save(folder / f"{name}.npy", a)
    (folder / "script.py").write_text(BEFORE + code)
    command = [shutil.which("mpiexec"), "-n", "2", sys.executable, "-W", "error", folder / "script.py", folder]
    env = with_package(NUMBA_NUM_THREADS="1")
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def answers(folder, code):
    done = on_two(folder, code)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_logistic_regression_on_two_ranks(tmp_path):
    one, other = answers(tmp_path, TRAINED)
    assert one == other
    X, y = problem()
    loss = fastopt.problems.logistic(L2)

    def mean(w):
        g = np.empty_like(w)
        return loss(w, g, X, y) / len(y), g / len(y)

    best = minimize(mean, np.zeros(X.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    w, losses, _ = one["full"]
    np.testing.assert_allclose(w, best.x, atol=1e-6)
    assert losses[-1] == pytest.approx(best.fun, rel=1e-10)

    w, losses = by_hand(loss, X, y)
    np.testing.assert_allclose(one["batches"][0], w, rtol=1e-12)
    np.testing.assert_allclose(one["batches"][1], losses, rtol=1e-12)


def by_hand(loss, X, y):
    """One rank, with the batches of both."""
    w, losses, parts = np.zeros(X.shape[1]), [], (np.arange(CUT), np.arange(CUT, len(y)))
    opt = fastopt.Nesterov(w, lr=LR, momentum=0.9)
    for epoch in range(EPOCHS):
        orders = [part[np.random.default_rng((SEED, epoch)).permutation(len(part))] for part in parts]
        losses.append(0.0)
        for start in range(0, CUT, BATCH):
            batch, g = np.concatenate([order[start : start + BATCH] for order in orders]), np.empty_like(w)
            losses[-1] += loss(w, g, X[batch], y[batch]) / len(y)
            opt.step(g / len(batch))
    return w, losses


def test_a_loss_that_raises_on_one_rank_ends_both(tmp_path):
    done = on_two(tmp_path, RAISED)
    assert done.returncode != 0
    assert "\nValueError: what rank 1 says\n" in done.stderr
    assert "\nValueError: rank 1 of 2 raised ValueError: what rank 1 says\n" in done.stderr


def test_an_interrupt_of_one_rank_ends_both(tmp_path):
    one, other = answers(tmp_path, INTERRUPTED)
    assert {tuple(row[:2]) for row in other} == {("KeyboardInterrupt", "of a signal")}
    assert {tuple(row[:2]) for row in one} == {("RuntimeError", "rank 1 of 2 raised KeyboardInterrupt: of a signal")}
    assert [row[2:] for row in one] == [row[2:] for row in other]
    assert len({row[3] for row in one}) > 1
