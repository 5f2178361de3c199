"""What fit refuses before anything is changed, and failures in the middle of training."""

from functools import partial

import numpy as np
import pytest
from numba import njit
from refusals import contents, refuse
from test_fit import N, X, Y, linear

import fastopt
from fastopt import fit, pack

# ---------------------------------------------------------------- refusals

VAL = (X[:4], Y[:4])
WRONG = [
    ("loss_and_grad", None, TypeError, "callable"),
    ("opt", np.zeros(3), TypeError, "Optimizer"),
    ("opt", None, TypeError, "Optimizer"),
    *(("data", bad, TypeError, "data[0]") for bad in (None, [[1.0], [2.0]], np.float64(1), np.array(1.0), X.tolist())),
    ("data", (X, Y.tolist()), TypeError, "data[1]"),
    *(("data", bad, ValueError, "data") for bad in ((X, Y[:-1]), (), (X[:0], Y[:0]))),
    *((name, bad, TypeError, "whole number") for name in ("batch_size", "epochs", "seed", "accumulate", "initial_epoch")
      for bad in (1.0, "5", True, np.ones(2))),
    *((name, None, TypeError, "whole number") for name in ("epochs", "seed", "accumulate", "initial_epoch")),
    *((name, 0, ValueError, "at least 1") for name in ("batch_size", "accumulate")),
    *((name, -1, ValueError, "at least") for name in ("batch_size", "accumulate", "epochs", "seed", "initial_epoch")),
    ("initial_epoch", 3, ValueError, "at most"),
    *(("reduction", bad, ValueError, "'sum' or 'mean'") for bad in ("max", None, 1)),
    ("reduction", np.ones(2), (TypeError, ValueError), "'sum' or 'mean'"),
    ("callback", 3, TypeError, "callable"),
    *(("progress", bad, TypeError, "True or False") for bad in (1, None, "yes")),
    ("patience", 2, ValueError, "validation"),
    ("validation", (X[:4], Y[:3]), ValueError, "validation"),
    ("validation", 3.0, TypeError, "validation[0]"),
    ("validation", (X[:0], Y[:0]), ValueError, "validation"),
    ("validation", X[:4], (TypeError, ValueError), "validation"),  # data has two arrays
    ("validation", (X[:4, :2], Y[:4]), (TypeError, ValueError), "validation"),  # and three columns
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bad", "error", "word"),
    WRONG,
    ids=[f"{row[0]} {type(row[1]).__name__} {i}" for i, row in enumerate(WRONG)],
)
def test_arguments(name, bad, error, word):
    opt = fastopt.Adam(np.zeros(3))
    arguments = {"loss_and_grad": linear, "opt": opt, "data": (X, Y), "batch_size": 5, "epochs": 2, name: bad}
    refuse(lambda: fit(**arguments), error, name, word, unchanged=[opt])


def test_patience_is_a_number():
    opt = fastopt.Adam(np.zeros(3))
    for bad, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)):
        refuse(
            lambda bad=bad: fit(linear, opt, (X, Y), batch_size=5, epochs=2, validation=VAL, patience=bad),
            error,
            "patience",
            unchanged=[opt],
        )


def test_the_batch_size_has_no_default():
    with pytest.raises(TypeError, match="batch_size"):
        fit(linear, fastopt.SGD(np.zeros(3)), (X, Y), epochs=1)


NESTS = [
    ("nested list", [np.zeros(3), [np.zeros(1)]], "nest"),
    ("nested dict", {"a": {"w": np.zeros(3)}}, "nest"),
    ("nested pack", pack([[np.zeros(3)]]), "nest"),
    ("groups of nests", [{"params": {"w": np.zeros(3)}}, {"params": np.zeros(1)}], "nest"),
    ("words", {"two words": np.zeros(3)}, "identifiers"),
    ("numbers", {0: np.zeros(3)}, "identifiers"),
    ("keywords", {"class": np.zeros(3)}, "identifiers"),
    ("underscore", {"_w": np.zeros(3)}, "identifiers"),
    ("many", {f"{'k' * 50} {i}": np.zeros(1) for i in range(50)}, "identifiers"),
]


@pytest.mark.parametrize(("params", "word"), [pytest.param(*row[1:], id=row[0]) for row in NESTS])
def test_parameters_that_no_loss_can_take(params, word):
    opt = fastopt.SGD(params)
    refuse(lambda: fit(linear, opt, (X, Y), batch_size=5, epochs=1), TypeError, "params", word, unchanged=[opt])


RETURNS = [None, "1.5", np.ones(2), (1.0, None), [1.0, 2.0], 1j, np.complex128(1j), {}, np.ones((50, 50))]


@pytest.mark.parametrize("returned", RETURNS, ids=lambda value: f"{type(value).__name__}"[:20])
def test_losses_that_return_no_number(returned):
    w = np.zeros(3)
    opt = fastopt.SGD(w)

    def loss(w, g, X, y):
        g += 1.0
        return returned

    refuse(lambda: fit(loss, opt, (X, Y), batch_size=5, epochs=1), TypeError, "loss_and_grad", unchanged=[opt, w])


@pytest.mark.parametrize("returned", [1, 1.5, np.float32(1.5), np.array(1.5), np.int64(2), float("nan")], ids=repr)
def test_losses_that_return_any_number(returned):
    def loss(w, g, X, y):
        g += 1.0
        return returned

    hist = fit(loss, fastopt.SGD(np.zeros(3)), (X, Y), batch_size=N, epochs=1)
    np.testing.assert_equal(hist.loss, [float(returned)])


def left(w, g, X, y):
    g = X.T @ (X @ w - y)
    return float(np.sum(g))


def left_one(p, g, X, y):
    g[0][:] = X.T @ (X @ p[0] - y)
    return 1.0


def left_b(p, g, X, y):
    g.w[:] = X.T @ (X @ p.w - y)
    return 1.0


UNWRITTEN = {
    "grads ": (left, lambda: np.zeros(3)),
    "grads[1]": (left_one, lambda: [np.zeros(3), np.ones(2)]),
    "grads.b": (left_b, lambda: {"w": np.zeros(3), "b": np.ones(2)}),
}


@pytest.mark.parametrize("way", [lambda f: f, njit], ids=["Python", "compiled"])
@pytest.mark.parametrize(
    ("name", "options"), [("grads ", {"accumulate": 2, "reduction": "mean"}), ("grads[1]", {}), ("grads.b", {})]
)
def test_a_gradient_that_is_left_as_it_was(name, options, way):
    """``g = X.T @ r`` writes nothing; nor does a loss that forgets one array."""
    loss, make = UNWRITTEN[name]
    opt = fastopt.AdamW(make())  # which would shrink the parameters
    call = partial(fit, way(loss), opt, (X, Y), batch_size=5, epochs=2, **options)
    refuse(call, ValueError, f"loss_and_grad must write {name}", "left as it was", unchanged=[opt])


@pytest.mark.parametrize("way", [lambda f: f, njit], ids=["Python", "compiled"])
@pytest.mark.parametrize("written", [0.0, np.nan, "last", "later"])
def test_gradients_that_are_written(written, way):
    """One of zeros, of NaN, or with one element, counts as written; so does one that is 0 from the second batch on."""
    kind = {"last": 1, "later": 2}.get(written, 0)
    value = 0.0 if kind else written

    def loss(w, g, X, y):
        if kind == 0:
            g[:] = value
        elif kind == 1:
            g[2] += 1.0
        elif w[0] == 0.0:
            g[0] -= 1.0
        return 0.0

    opt = fastopt.SGD(np.zeros(3), lr=1.0)
    fit(way(loss), opt, (X, Y), batch_size=5, epochs=2)
    assert opt.t == 2 * -(-N // 5)
    expected = ([0 - value] * 3, [0, 0, -opt.t], [1, 0, 0])[kind]
    np.testing.assert_array_equal(opt.params, expected)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, StopIteration, TypeError, ValueError])
def test_exceptions_in_a_loss_go_through(error):
    w, calls = np.zeros(3), []
    opt = fastopt.Adam(w)

    def loss(w, g, X, y):
        calls.append(contents(opt))
        if len(calls) == 4:
            g += 1e9
            raise error("of the loss")
        return linear(w, g, X, y)

    with pytest.raises(error, match="of the loss"):
        fit(loss, opt, (X, Y), batch_size=5, epochs=3, accumulate=2)
    assert opt.t == 1
    assert contents(opt) == calls[-1]


def test_refused_gradients_stop_the_training():
    opt = fastopt.Adam(np.zeros(3), check_finite=True)

    def loss(w, g, X, y):
        g += np.nan if opt.t == 2 else 1.0
        return 0.0

    with pytest.raises(ValueError, match="grads must be finite"):
        fit(loss, opt, (X, Y), batch_size=5, epochs=3)
    assert opt.t == 2
