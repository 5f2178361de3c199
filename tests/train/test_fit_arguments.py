"""What fit hands to a loss, whatever holds the parameters and whatever the loss is made of; progress."""

import sys
from collections import namedtuple

import numpy as np
import pytest
from test_fit import X, Y, linear

import fastopt
from fastopt import fit, pack, problems

Pair = namedtuple("Pair", "w b")
LABELS = (Y > 0).astype(np.int64)


def zeros(hold):
    return hold(np.zeros(3), np.zeros(1))


def affine(w, b, gw, gb, X, y):
    r = X @ w + b - y
    gw += X.T @ r
    gb += r.sum()
    return 0.5 * r @ r


HELD = {
    "list": (lambda w, b: [w, b], tuple),
    "tuple": (lambda w, b: (w, b), tuple),
    "namedtuple": (Pair, "named"),
    "dict": (lambda w, b: {"w": w, "b": b}, "named"),
    "packed dict": (lambda w, b: pack({"w": w, "b": b}), "named"),
    "packed list": (lambda w, b: pack([w, b]), tuple),
    "groups": (lambda w, b: [{"params": w}, {"params": b, "lr": 0.01}], tuple),
    "mixed": (lambda w, b: {"w": w, "b": b.astype("f4")}, "named"),
    "Fortran": (lambda w, b: {"w": w, "b": np.asfortranarray(b)}, "named"),
}


@pytest.mark.parametrize("way", HELD)
@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "reduction": "mean"}], ids=["sum", "mean"])
def test_a_loss_sees_arrays_tuples_and_named_tuples(way, options):
    hold, kind = HELD[way]
    opt = fastopt.Adam(zeros(hold), lr=0.01)

    def loss(params, grads, X, y):
        for nest in (params, grads):
            assert type(nest) is tuple if kind is tuple else nest._fields == ("w", "b")
            assert all(type(a) is np.ndarray for a in nest)
        if kind is not tuple:
            assert params.w is params[0]
            assert params.b.dtype == grads.b.dtype
        assert np.shares_memory(params[0], opt._layout.leaves[0])  # the parameters themselves
        assert not any(g.any() for g in grads)
        return affine(*params, *grads, X, y)

    fit(loss, opt, (X, Y), batch_size=5, epochs=3, **options)
    w, b = np.zeros(3), np.zeros(1)
    one = fastopt.Adam([w, b], lr=0.01)
    fit(lambda p, g, X, y: affine(*p, *g, X, y), one, (X, Y), batch_size=5, epochs=3, **options)
    for mine, expected in zip(opt._layout.leaves, (w, b)):
        np.testing.assert_allclose(mine, expected, rtol=1e-5 if way == "mixed" else 1e-12)


def test_single_arrays_of_any_kind(tmp_path):
    def loss(w, g, X, y):
        assert isinstance(w, np.ndarray)
        assert (g.shape, g.dtype, g.flags.f_contiguous) == (w.shape, w.dtype, w.flags.f_contiguous)
        return linear(w.reshape(-1), g.reshape(-1, copy=False), X, y)

    mapped = np.memmap(tmp_path / "w", np.float64, "w+", shape=(3,))
    for w in (np.zeros(3), np.zeros((3, 1)), np.zeros((1, 3), order="F"), mapped):
        hist = fit(loss, fastopt.SGD(w, lr=0.01), (X, Y), batch_size=5, epochs=2)
        assert hist.loss[1] < hist.loss[0]
    scalar = np.zeros(())

    def mean_of(p, g, y):
        g += (p - y).sum()
        return 0.5 * ((p - y) ** 2).sum()

    fit(mean_of, fastopt.GD(scalar, lr=1.0), Y, batch_size=None, epochs=1, reduction="mean")
    assert scalar == pytest.approx(Y.mean())


def test_data_of_one_array_and_of_many():
    def loss(p, g, *batch):
        assert [type(a) for a in batch] == [np.ndarray] * len(batch)
        g[:] = 0.0
        return 0.0

    for data in (X, (X,), [X, Y], (X, Y, LABELS, X[:, 0] > 0, X[:, None, :])):
        fit(loss, fastopt.SGD(np.zeros(1)), data, batch_size=4, epochs=1)


def test_compiled_and_plain_losses_agree():
    def softmax(W, g, X, y):
        scores = X @ W
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).sum()
        p[np.arange(len(y)), y] -= 1
        g += X.T @ p
        return loss

    ends = []
    for loss in (softmax, problems.softmax()):
        W = np.zeros((3, 2))
        hist = fit(loss, fastopt.Adam(W, lr=0.05), (X, LABELS), batch_size=4, epochs=20)
        ends.append((W, hist.loss))
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-9)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-9)


def test_a_network_as_a_dict_a_pack_and_a_named_tuple():
    ends = []
    for hold in (dict, pack, lambda drawn: problems.MLPParams(**drawn)):
        params = hold(dict(problems.init_mlp(d=3, hidden=4, classes=2, seed=1)))
        hist = fit(problems.mlp(), fastopt.Adam(params, lr=0.01), (X, LABELS), batch_size=4, epochs=3)
        first = params.W1 if isinstance(params, tuple) else params["W1"]
        ends.append((hist.loss, first.tobytes()))
    assert ends[0] == ends[1] == ends[2]


def test_progress(capsys):
    w, quiet = np.zeros(3), np.zeros(3)
    fit(linear, fastopt.SGD(w, lr=0.01), (X, Y), batch_size=5, epochs=3, progress=True)
    shown = capsys.readouterr()
    assert "100%" in shown.out + shown.err
    assert "loss" in shown.out + shown.err
    fit(linear, fastopt.SGD(quiet, lr=0.01), (X, Y), batch_size=5, epochs=3)
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""
    assert w.tobytes() == quiet.tobytes()


def test_progress_where_no_bar_is_seen(capsys, monkeypatch):
    """A line every few seconds, and the last one, also of a training that stops early."""

    def stop(epoch, loss, opt):
        if epoch == 3:
            raise StopIteration

    for every, shown in ((0.0, [1, 2, 3, 4]), (60.0, [4])):
        monkeypatch.setattr("fastopt.progress.EVERY", every)
        hist = fit(linear, fastopt.SGD(np.zeros(3)), (X, Y), batch_size=5, epochs=8, progress=True, callback=stop)
        lines = capsys.readouterr().out.splitlines()
        assert lines == [f"epochs {k}/8 {100 * k // 8}% loss {hist.loss[k - 1]:.6g}" for k in shown]


def test_progress_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    fit(linear, fastopt.SGD(np.zeros(3)), (X, Y), batch_size=5, epochs=3, progress=True)
    shown = capsys.readouterr().out
    assert "100%" in shown
    assert "\x1b[" in shown


def test_progress_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    w = np.zeros(3)
    with pytest.raises(ImportError, match=r"rich.*pip install"):
        fit(linear, fastopt.SGD(w), (X, Y), batch_size=5, epochs=3, progress=True)
    assert not w.any()
