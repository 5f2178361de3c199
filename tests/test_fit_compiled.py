"""Compiled epochs: with a Numba function as loss the bits are those of the Python path, whatever the options."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from refusals import contents
from test_fit import EACH, N, X, Y, linear
from test_fit_arguments import LABELS

import fastopt
from fastopt import fit, pack, problems, schedules

BEST = problems.linear(0.1)
MANY = problems.mlp(0.1)


def by_python(loss):
    """The same function, which fit cannot know to be compiled."""
    return lambda *arguments: loss(*arguments)


def same_bits(loss, make, data=(X, Y), **options):
    """Train once compiled and once in Python; the optimisers and the histories."""
    options = {"batch_size": 4, "epochs": 3, "seed": 5} | options
    opts, histories = [], []
    for one in (loss, by_python(loss)):
        opts.append(make())
        histories.append(fit(one, opts[-1], data, **options))
    assert contents(opts[0]) == contents(opts[1])
    assert histories[0].loss == histories[1].loss
    assert histories[0].validation == histories[1].validation
    return opts[0], histories[0]


def weights(shape=3, dtype="f8"):
    return np.random.default_rng(2).normal(size=shape).astype(dtype)


HYPER = [
    ("defaults", fastopt.Adam, {}),
    ("schedule", fastopt.NAdam, {"lr": schedules.cosine(0.1, 12), "betas": (lambda step: 0.5 + 0.01 * step, 0.9)}),
    ("decay", fastopt.Momentum, {"weight_decay": lambda step: 0.01 * step, "maximize": True}),
    ("clipped", fastopt.Adagrad, {"clip_norm": 0.5, "clip_value": 0.3}),
    ("clip that does not bite", fastopt.SGD, {"clip_norm": 1e9}),
    ("checked", fastopt.Lion, {"check_finite": True}),
    ("no state", fastopt.SGD, {"lr": 0.01}),
    ("three states", fastopt.AMSGrad, {}),
]


@pytest.mark.parametrize(("make", "hyper"), [pytest.param(*row[1:], id=row[0]) for row in HYPER])
@pytest.mark.parametrize("options", [{}, {"accumulate": 3, "reduction": "mean"}], ids=["sum", "mean of 3"])
def test_hyperparameters_and_options(make, hyper, options):
    opt, hist = same_bits(BEST, lambda: make(weights(), **hyper), **options)
    assert opt.t == 3 * (6 if not options else 2)
    assert len(hist.loss) == 3


@pytest.mark.parametrize("batch_size", [1, 3, N - 1, N, None, 99])
@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"reduction": "mean"}], ids=["sum", "of 2", "mean"])
def test_batches(batch_size, options):
    same_bits(BEST, lambda: fastopt.RMSprop(weights()), batch_size=batch_size, validation=(X[:7], Y[:7]), **options)


def mlp_params(hold, dtype="f8"):
    drawn = problems.init_mlp(d=3, hidden=4, classes=2, seed=3)
    return hold({name: a.astype(dtype) for name, a in drawn.items()})


def parts(hold):
    return lambda arrays: [{"params": a, "lr": 0.01 * (i + 1)} for i, a in enumerate(hold(arrays).values())]


@njit
def affine(params, grads, X, y):
    total = 0.0
    w, b = params
    for i in range(len(y)):
        r = b[0] - y[i]
        for j in range(len(w)):
            r += X[i, j] * w[j]
        for j in range(len(w)):
            grads[0][j] += X[i, j] * r
        grads[1][0] += r
        total += 0.5 * r * r
    return total


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 0.1}], ids=["", "clipped"])
@pytest.mark.parametrize("hold", [dict, pack], ids=["dict", "pack"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_mappings(hold, dtype, clip):
    data = (X.astype(dtype), LABELS)
    same_bits(MANY, lambda: fastopt.Adam(mlp_params(hold, dtype), **clip), data, accumulate=2, reduction="mean")


HELD = [
    ("list", lambda w, b: [w, b]),
    ("tuple", lambda w, b: (w, b)),
    ("pack", lambda w, b: pack([w, b])),
    ("groups", lambda w, b: [{"params": w}, {"params": b, "lr": schedules.step(0.1, 5), "weight_decay": 0.1}]),
    ("two dtypes", lambda w, b: [w, b.astype("f4")]),
]


@pytest.mark.parametrize("hold", [pytest.param(hold, id=name) for name, hold in HELD])
def test_sequences_and_groups(hold):
    same_bits(affine, lambda: fastopt.Adam(hold(weights(), weights(1))), accumulate=2)


DATA = [
    ("read-only", lambda a: np.frombuffer(a.tobytes()).reshape(a.shape)),
    ("Fortran", np.asfortranarray),
    ("strided", lambda a: np.repeat(a, 2, axis=0)[::2]),
    ("backwards", lambda a: a[::-1]),
    ("integers", lambda a: (10 * a).astype(np.int32)),
]


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in DATA])
@pytest.mark.parametrize("batch_size", [4, None])
def test_data_of_any_layout(change, batch_size):
    same_bits(affine, lambda: fastopt.SGD([weights(), weights(1)], lr=1e-4), (change(X), Y), batch_size=batch_size)


@njit
def broken(w, g, X, y, each):
    """Not a number for the batch with example 3, an exception for the one with example 4."""
    for i in range(len(y)):
        if each[i] == 4 and w[2] == 1.0:
            raise ValueError("of the loss")
        g += X[i] if each[i] != 3 else np.nan
    return 1.0


def test_steps_are_skipped():
    opt, _ = same_bits(broken, lambda: fastopt.Adam(np.zeros(3), check_finite="skip"), (X, Y, EACH), epochs=4)
    assert opt.skipped == 4
    assert opt.t == 4 * 5


@pytest.mark.parametrize(("start", "word"), [(0.0, "grads must be finite"), (1.0, "of the loss")])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_failures_leave_the_last_update(start, word, accumulate):
    ends = []
    for loss in (broken, by_python(broken)):
        w = np.full(3, start)
        opt = fastopt.SGD(w, lr=0.0, check_finite=True)
        with pytest.raises(ValueError, match=word):
            fit(loss, opt, (X, Y, EACH), batch_size=2, epochs=9, accumulate=accumulate, seed=1)
        ends.append(contents(opt))
    assert ends[0] == ends[1]


MATRIX = """
import numpy as np, fastopt
rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 30)), rng.integers(0, 4, 40)
loss, ends = fastopt.problems.softmax(0.1), []
for one in (loss, lambda *arguments: loss(*arguments)):
    W = np.zeros((30, 4))
    fastopt.fit(one, fastopt.Adam(W, lr=0.1), (X, y), batch_size=7, epochs=3, **{options})
    ends.append(W.tobytes())
print(ends[0] == ends[1])
"""


@pytest.mark.parametrize("options", [{}, {"reduction": "mean"}, {"accumulate": 2}], ids=str)
def test_matrices(options):
    """In a process of its own: what is written outside an array would end this one."""
    code = MATRIX.replace("{options}", repr(options))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr[-500:]


def test_going_on_in_the_middle(tmp_path):
    whole = fastopt.Adam(weights())
    fit(BEST, whole, (X, Y), batch_size=4, epochs=7)
    first, second = fastopt.Adam(weights()), fastopt.Adam(np.zeros(3))
    fit(BEST, first, (X, Y), batch_size=4, epochs=3)
    fastopt.save(tmp_path / "run", first)
    fastopt.load(tmp_path / "run", second)
    fit(BEST, second, (X, Y), batch_size=4, epochs=7, initial_epoch=3)
    assert contents(whole) == contents(second)


def test_plain_losses_agree_to_rounding():
    w, other = weights(), weights()
    fit(problems.linear(), fastopt.SGD(w, lr=0.01), (X, Y), batch_size=4, epochs=5)
    fit(linear, fastopt.SGD(other, lr=0.01), (X, Y), batch_size=4, epochs=5)
    np.testing.assert_allclose(w, other, rtol=1e-11)
