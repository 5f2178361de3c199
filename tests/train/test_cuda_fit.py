"""``fit`` with parameters and examples on the GPU, against the CPU's."""

from collections import namedtuple
from functools import partial

import numpy as np
import pytest
from numba import cuda, njit
from on_cuda import gpu, host
from refusals import refuse
from stand_ins import Foreign
from stepping import DTYPES, name_of

import fastopt

N, D = 21, 3
Pair = namedtuple("Pair", "w b")


def line(w, g, X, y):
    """Least squares; the bias is the last weight."""
    r = X @ w - y
    g += X.T @ r
    return 0.5 * r @ r


def affine(params, grads, X, y):
    r = X @ params.w + params.b[0] - y
    grads.w[...] = X.T @ r
    grads.b[...] = r.sum()
    return 0.5 * r @ r


@cuda.jit
def _line(w, g, X, y, loss):
    loss[0] = 0
    for i in range(X.shape[0]):
        r = -y[i]
        for j in range(X.shape[1]):
            r += X[i, j] * w[j]
        for j in range(X.shape[1]):
            g[j] += r * X[i, j]
        loss[0] += 0.5 * r * r


@cuda.jit
def _affine(w, b, gw, gb, X, y, loss):
    loss[0] = 0
    for i in range(X.shape[0]):
        r = b[0] - y[i]
        for j in range(X.shape[1]):
            r += X[i, j] * w[j]
        for j in range(X.shape[1]):
            gw[j] += r * X[i, j]
        gb[0] += r
        loss[0] += 0.5 * r * r


def line_on_gpu(w, g, X, y):
    loss = cuda.device_array(1, w.dtype)
    _line[1, 1](w, g, X, y, loss)
    return loss


def affine_on_gpu(params, grads, X, y):
    assert params._fields == grads._fields == ("w", "b")
    loss = cuda.device_array(1, params.w.dtype)
    _affine[1, 1](params.w, params.b, grads.w, grads.b, X, y, loss)
    return loss


def examples(dtype=np.float64, n=N):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, D)).astype(dtype)
    return X, (X @ np.arange(1, D + 1) + 0.1 * rng.normal(size=n)).astype(dtype)


def start(dtype=np.float64):
    return {"w": np.zeros(D, dtype), "b": np.zeros(1, dtype)}


OPTIONS = [
    {},
    {"batch_size": None},
    {"batch_size": 1, "epochs": 1},
    {"reduction": "mean"},
    {"accumulate": 3},
    {"accumulate": 2, "reduction": "mean"},
    {"validation": True},
    {"validation": True, "patience": 1, "epochs": 30, "lr": 0.5},
    {"initial_epoch": 2, "seed": 5},
]


def both(options, dtype=np.float64, rule="Adam", pack=False):
    """Parameters and histories on CPU and GPU."""
    options = {"batch_size": 4, "epochs": 3, "lr": 0.1, **options}
    lr, out = options.pop("lr"), []
    for move, loss in (lambda a: a, affine), (fastopt.to_device, affine_on_gpu):
        params = move(fastopt.pack(start(dtype)) if pack else start(dtype))
        more = dict(options)
        if more.pop("validation", None):
            more["validation"] = move(examples(dtype, 7))
        hist = fastopt.fit(loss, getattr(fastopt, rule)(params, lr=lr), move(examples(dtype)), **more)
        out.append((params, hist))
    (cpu, expected), (there, found) = out
    return {name: there[name].copy_to_host() for name in there}, cpu, found, expected


def assert_agree(found, expected, mine, theirs, tolerance):
    for name, a in expected.items():
        np.testing.assert_allclose(found[name], a, rtol=tolerance, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(mine.loss, theirs.loss, rtol=tolerance)
    np.testing.assert_allclose(mine.validation, theirs.validation, rtol=tolerance)
    assert (mine.epoch, mine.stopped) == (theirs.epoch, theirs.stopped)
    assert len(mine.time) == len(mine.loss)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_options(options, dtype):
    found, expected, mine, theirs = both(options, dtype)
    assert_agree(found, expected, mine, theirs, 1e-4 if dtype == np.float32 else 1e-11)


def test_patience_restores_the_best():
    found, expected, mine, theirs = both(OPTIONS[-2])
    assert theirs.stopped == "patience"
    assert_agree(found, expected, mine, theirs, 1e-10)


@pytest.mark.parametrize("pack", [False, True])
def test_rules_and_packed(pack):
    for rule in ("GD", "Lion"):
        batch_size = {"batch_size": None} if rule == "GD" else {}
        found, expected, mine, theirs = both({"lr": 0.01, **batch_size}, rule=rule, pack=pack)
        assert_agree(found, expected, mine, theirs, 1e-11)


def test_one_array_and_any_dtype_of_data():
    """Rows of every width and item size are picked as they are."""
    X, y = examples()
    w = [np.zeros(D), fastopt.to_device(np.zeros(D))]
    rng = np.random.default_rng(1)
    more = [
        rng.integers(0, 100, (N, 2, 3), np.int8),
        rng.normal(size=(N, 3)).astype(np.complex128),
        np.arange(N, dtype=np.int16),
        np.ones((N, 0), np.float32),
    ]
    seen = [], []
    fastopt.fit(
        lambda w, g, X, y, *rest: seen[0].append(rest) or line(w, g, X, y),
        fastopt.SGD(w[0], lr=0.01), (X, y, *more), batch_size=8, epochs=2,
    )  # fmt: skip
    fastopt.fit(
        lambda w, g, X, y, *rest: seen[1].append([host(a) for a in rest]) or line_on_gpu(w, g, X, y),
        fastopt.SGD(w[1], lr=0.01), gpu((X, y, *more)), batch_size=8, epochs=2,
    )  # fmt: skip
    np.testing.assert_allclose(host(w[1]), w[0], rtol=1e-12)
    assert [a.shape for rest in seen[1] for a in rest] == [a.shape for rest in seen[0] for a in rest]
    for mine, theirs in zip(seen[1], seen[0]):
        for a, b in zip(mine, theirs):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_the_loss_is_read_once_an_epoch(monkeypatch):
    from fastopt.kernels.cuda import gpu as target

    reads, to_host = [], target.to_host
    monkeypatch.setattr(target, "to_host", lambda a: reads.append(a) or to_host(a))
    params = fastopt.to_device(start())
    fastopt.fit(affine_on_gpu, fastopt.Adam(params), fastopt.to_device(examples()), batch_size=2, epochs=4)
    assert len(reads) == 4 + 2  # and each array of the first gradient, to see that it was written


def test_a_gradient_that_is_left_as_it_was():
    def left(params, grads, X, y):
        grads = {"w": cuda.device_array(D), "b": cuda.device_array(1)}
        return affine_on_gpu(params, Pair(**grads), X, y)

    opt = fastopt.AdamW(fastopt.to_device(start()))
    call = partial(fastopt.fit, left, opt, HERE, batch_size=4, epochs=1)
    refuse(call, ValueError, "loss_and_grad must write grads.w", "left as it was")
    assert (opt.t, host(opt.params["w"]).tolist()) == (0, [0.0] * D)


def test_a_gradient_that_is_written_at_its_end():
    """Where the first thousands of elements are looked at, and the rest only if those are zeros."""
    w = gpu(np.zeros(5000))

    def last(w, g, y):
        g[4999:].copy_to_device(np.ones(1))
        return 0.0

    opt = fastopt.SGD(w, lr=1.0)
    fastopt.fit(last, opt, gpu(np.ones(3)), batch_size=3, epochs=1)
    assert host(w)[[0, -1]].tolist() == [0.0, -1.0]


def test_losses_that_are_numbers():
    w = [np.zeros(D), fastopt.to_device(np.zeros(D))]
    hists = [
        fastopt.fit(line, fastopt.SGD(w[0], lr=0.01), examples(), batch_size=4, epochs=2),
        fastopt.fit(
            lambda *args: float(host(line_on_gpu(*args))[0]), fastopt.SGD(w[1], lr=0.01), gpu(examples()),
            batch_size=4, epochs=2,
        ),
    ]  # fmt: skip
    np.testing.assert_allclose(hists[1].loss, hists[0].loss, rtol=1e-12)


def test_callback():
    epochs = []

    def callback(epoch, loss, opt):
        epochs.append((epoch, float(loss), opt.t))
        if epoch == 1:
            raise StopIteration

    params = fastopt.to_device(start())
    hist = fastopt.fit(
        affine_on_gpu, fastopt.Adam(params), fastopt.to_device(examples()), batch_size=8, epochs=4, callback=callback
    )
    assert hist.stopped == "callback"
    assert epochs == [(0, hist.loss[0], 3), (1, hist.loss[1], 6)]


HERE = gpu(examples())


@pytest.mark.parametrize(
    ("loss", "data", "changes", "error", "words"),
    [
        (line_on_gpu, examples(), {}, TypeError, ["data[0]", "GPU", "fastopt.to_device"]),
        (line_on_gpu, (HERE[0], 3), {}, TypeError, ["data[1]", "GPU", "3"]),
        (line_on_gpu, (HERE[0], gpu(np.ones(5))), {}, ValueError, ["data", "same number", "(21, 3), (5,)"]),
        (line_on_gpu, gpu(np.asfortranarray(examples()[0])), {}, ValueError, ["data[0]", "C order"]),
        (line_on_gpu, gpu(np.array(3.0)), {}, ValueError, ["data[0]", "first axis"]),
        (line_on_gpu, Foreign(np.ones((8, 2)), strides=(8, 16)), {}, ValueError, ["data[0]", "contiguous"]),
        (line_on_gpu, HERE, {"validation": examples()}, TypeError, ["validation[0]", "GPU", "fastopt.to_device"]),
        (njit(line), HERE, {}, TypeError, ["loss_and_grad", "Python function", "Numba function line"]),
        (_line, HERE, {}, TypeError, ["loss_and_grad", "Python function", "Numba function"]),
        (line_on_gpu, gpu(np.zeros(5, "f8,f4")), {}, TypeError, ["data[0]", "array of numbers"]),
        (lambda w, g, X, y: None, HERE, {}, TypeError, ["loss_and_grad", "loss", "None"]),
        (lambda w, g, X, y: w, HERE, {}, TypeError, ["loss_and_grad", "one float32 or float64", "shape (3,)"]),
    ],
)
def test_refusals(loss, data, changes, error, words):
    w = gpu(np.zeros(D))
    opt = fastopt.Adam(w)
    refuse(lambda: fastopt.fit(loss, opt, data, batch_size=4, epochs=1, **changes), error, *words)
    assert (host(w) == 0).all()
    assert opt.t == 0


def test_examples_on_the_gpu_for_parameters_on_the_cpu():
    opt = fastopt.Adam(np.zeros(D))
    refuse(lambda: fastopt.fit(line, opt, HERE, batch_size=4, epochs=1), TypeError, "data[0]", "CPU", "GPU")
