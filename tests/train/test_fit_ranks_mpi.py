"""Training on the ranks of a real MPI: logistic regression on real data, and what ends it."""

import numpy as np
import pytest
from mpi_jobs import job
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer

import fastopt

pytestmark = pytest.mark.needs("mpi")

L2, LR, BATCH, EPOCHS, SEED = 0.01, 0.5, 32, 3, 7
CUT = 400  # rank 0 has so many examples, and rank 1 the rest

BEFORE = f"""
X, y = np.load("{{path}}X.npy"), np.load("{{path}}y.npy")
mine = slice(0, {CUT}) if rank == 0 else slice({CUT}, None)
loss, data = fastopt.problems.logistic({L2}), (X[mine], y[mine])
def made(**options):
    return fastopt.Nesterov(np.zeros(X.shape[1]), lr={LR}, momentum=0.9, comm=comm, **options)
"""

TRAINED = f"""
for options in (
    dict(batch_size=None, epochs=1500),
    dict(batch_size={BATCH}, epochs={EPOCHS}, seed={SEED}),
):
    opt = made()
    hist = fastopt.fit(loss, opt, data, reduction="mean", **options)
    say(opt.params.tolist(), hist.loss[-3:])
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
import random
def interrupt(number, frame):
    raise KeyboardInterrupt("of a signal")

def arm(epoch, loss, opt):
    if rank == 1 and epoch == 0:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 + chance.random() * 0.02)

signal.signal(signal.SIGALRM, interrupt)
chance, texts, ended = random.Random(0), set(), []
for k in range(60):
    opt = made(average=[None, None, "polyak"][k % 3])
    options = dict(validation=(X[:50], y[:50]), patience=1000) if k % 2 else {}
    try:
        fastopt.fit(loss, opt, data, batch_size=[32, None][k % 5 == 0], epochs=10**6, callback=arm, **options)
    except BaseException as error:
        texts.add(f"{type(error).__name__}: {error}")
    opt.step(np.ones(X.shape[1]))  # raises if the ranks are not in step
    ended.append((opt.t, tuple(opt.params.tolist())))
say(sorted(texts), len({t for t, _ in ended}), hash(tuple(ended)))
"""


def problem():
    X, y = load_breast_cancer(return_X_y=True)
    X = np.c_[(X - X.mean(axis=0)) / X.std(axis=0), np.ones(len(X))]
    return X, y.astype(float)


def on_two(folder, code, **how):
    for name, a in zip("Xy", problem()):
        np.save(folder / f"{name}.npy", a)
    return job(2, BEFORE.replace("{path}", f"{folder}/") + code, **how)


def test_logistic_regression_on_two_ranks(tmp_path):
    (full, batches, *others), _ = on_two(tmp_path, TRAINED)
    assert [full, batches] == others
    X, y = problem()
    loss = fastopt.problems.logistic(L2)

    def mean(w):
        g = np.empty_like(w)
        return loss(w, g, X, y) / len(y), g / len(y)

    best = minimize(mean, np.zeros(X.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    w, losses = full
    np.testing.assert_allclose(w, best.x, atol=1e-6)
    assert losses[-1] == pytest.approx(best.fun, rel=1e-10)

    w, losses = by_hand(loss, X, y)
    np.testing.assert_allclose(batches[0], w, rtol=1e-12)
    np.testing.assert_allclose(batches[1], losses, rtol=1e-12)


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
    """By itself, without what mpi4py has for programs that end in an exception."""
    _, errors = on_two(tmp_path, RAISED, ends_well=False)
    assert "\nValueError: what rank 1 says\n" in errors
    assert "\nValueError: rank 1 of 2 raised ValueError: what rank 1 says\n" in errors


def test_an_interrupt_of_one_rank_ends_both(tmp_path):
    (one, other), _ = on_two(tmp_path, INTERRUPTED)
    assert one[0] == ["RuntimeError: rank 1 of 2 raised KeyboardInterrupt: of a signal"]
    assert other[0] == ["KeyboardInterrupt: of a signal"]
    assert one[1:] == other[1:]  # at the same steps, to the same bits
    assert one[1] > 1
