"""Training with a Numba loss: compiled epochs do to the bit what the Python path does."""

import sys

import numpy as np
import pytest
from numba import config, njit
from processes import INSTALLED, Place
from refusals import contents
from stepping import LOOPED, name_of, optimizer

import fastopt
from fastopt import fit, pack
from fastopt.kernels import cpu
from fastopt.train.compiled import CompiledTraining, training_of
from fastopt.train.epochs import Training

N = 23
RNG = np.random.default_rng(5)
X, Y, EACH = RNG.normal(size=(N, 3)), RNG.normal(size=N), np.arange(N)
MARKED = (X, Y, EACH)


@njit(cache=True)
def linear(w, g, X, y):
    """Adds."""
    total = 0.0
    for i in range(len(y)):
        r = X[i, 0] * w[0] + X[i, 1] * w[1] + X[i, 2] * w[2] - y[i]
        for k in range(3):
            g[k] += r * X[i, k]
        total += 0.5 * r * r
    return total


@njit(cache=True)
def assigning(w, g, X, y):
    r = X @ w - y
    g[:] = X.T @ r
    return 0.5 * np.sum(r * r)


@njit(cache=True)
def layer(W, b, dW, db, X, y):
    total = 0.0
    for i in range(len(y)):
        for c in range(2):
            r = X[i, 0] * W[0, c] + X[i, 1] * W[1, c] + X[i, 2] * W[2, c] + b[c] - y[i]
            for k in range(3):
                dW[k, c] += r * X[i, k]
            db[c] += r
            total += 0.5 * r * r
    return total


@njit(cache=True)
def indexed(p, g, X, y):
    return layer(p[0], p[1], g[0], g[1], X, y)


@njit(cache=True)
def named(p, g, X, y):
    return layer(p.W, p.b, g.W, g.b, X, y)


@njit(cache=True)
def matrix(W, g, X, y):
    return layer(W, np.zeros(2), g, np.zeros(2), X, y)


@njit(cache=True)
def scalar(p, g, X, y):
    g[()] += np.sum(p[()] - y)
    return np.sum((p[()] - y) ** 2) / 2


@njit(cache=True)
def mixed(w, g, X, each, mask, Z):
    total = np.float32(0.0)
    for i in range(len(each)):
        if mask[i]:
            g[each[i] % 3] += w[0] * X[i, 1] + Z[i, 1, 0].real
            total += Z[i, 0, 1].imag + each[i]
    return total


@njit(cache=True)
def poisoned(w, g, X, y, each):
    if np.any(each == 17):
        g[1] = np.inf
    return linear(w, g, X, y)


@njit(cache=True)
def failing(w, g, X, y, each):
    g[:] = 1e9
    if np.any(each == 17):
        raise ZeroDivisionError("of the loss")
    g[:] = 0.0
    return linear(w, g, X, y)


def array(dtype=float):
    return np.linspace(-1, 1, 3).astype(dtype)


def W(dtype, order="C"):
    return np.asarray(np.linspace(-1, 1, 6).reshape(3, 2), dtype, order=order)


def b(dtype):
    return np.ones(2, dtype)


def adam(params=array, **options):
    return lambda: fastopt.Adam(params(), **{"lr": 0.05, **options})


@pytest.fixture
def both(monkeypatch):
    """Trains compiled and in Python, and asserts the same history or exception, parameters, state and counts."""

    def run(loss, make, data=(X, Y), compiled=True, **options):
        outcomes, ways = [], []
        for choose in (training_of, lambda *_: Training):

            def chosen(*arguments, choose=choose):
                ways.append(choose(*arguments))
                return ways[-1]

            monkeypatch.setattr(sys.modules["fastopt.train.fit"], "training_of", chosen)
            opt = make()
            try:
                hist = fit(loss, opt, data, **{"batch_size": 5, "epochs": 3, **options})
                numbers = np.array(hist.loss).tobytes(), np.array(hist.validation).tobytes()
                outcome = numbers, hist.epoch, hist.stopped, {type(x) for x in hist.loss + hist.validation}
            except Exception as error:
                hist, outcome = error, (type(error), str(error))
            outcomes.append((outcome, contents(opt)))
        assert ways == [CompiledTraining if compiled else Training, Training]
        assert outcomes[0] == outcomes[1]
        assert np.array([1e-310])[0] * 0.5 > 0.0  # subnormal numbers count again
        return opt, hist

    return run


# --- parameters, rules, options ------------------------------------------------------------------------------------

STRUCTURES = {
    "array": (linear, array),
    "matrix": (matrix, W),
    "matrix F": (matrix, lambda d: W(d, "F")),
    "list": (indexed, lambda d: [W(d), b(d)]),
    "tuple": (indexed, lambda d: (W(d, "F"), b(d))),
    "mapping": (named, lambda d: {"W": W(d), "b": b(d)}),
    "packed list": (indexed, lambda d: pack([W(d), b(d)])),
    "packed mapping": (named, lambda d: pack({"W": W(d, "F"), "b": b(d)})),
    "groups": (indexed, lambda d: [{"params": W(d), "lr": 0.2}, {"params": b(d), "weight_decay": 0.1}]),
    "scalar": (scalar, lambda d: np.array(0.5, d)),
}


MEAN = {"accumulate": 3, "reduction": "mean"}


@pytest.mark.parametrize(
    ("structure", "dtype", "options"),
    [(name, np.float64, MEAN) for name in STRUCTURES] + [(name, np.float32, {}) for name in ("packed list", "groups")],
    ids=name_of,
)
def test_structures(both, structure, dtype, options):
    loss, params = STRUCTURES[structure]
    opt, hist = both(loss, adam(lambda: params(dtype)), **options)
    assert opt.t == (6 if options else 15)
    assert hist.loss[-1] < hist.loss[0]


@pytest.mark.parametrize("name", LOOPED)
def test_rules(both, name):
    loss = linear if name < "m" else assigning
    opt, _ = both(loss, lambda: optimizer(name, array(np.float64)), batch_size=None if name == "gd" else 4)
    assert opt.t == (3 if name == "gd" else 18)


HALF = fastopt.schedules.exponential(0.1, 0.9)
OPTIONS = {
    "schedules": {"lr": HALF, "betas": (lambda k: 0.9 - 0.01 * k, 0.99)},
    "clip_value": {"clip_value": 0.5},
    "clip_norm": {"clip_norm": 4.0},  # clips some
    "weight_decay": {"weight_decay": fastopt.schedules.cosine(0.1, 12), "lr": HALF},
    "maximize": {"maximize": True},
    "check_finite": {"check_finite": True},
    "all": {"check_finite": "skip", "maximize": True, "clip_value": 2, "clip_norm": 2, "weight_decay": 0.1, "lr": HALF},
    "no bias_correction": {"bias_correction": False, "parallel": False, "threads": 1},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(both, name):
    both(linear, adam(**OPTIONS[name]))
    if name in ("schedules", "all"):
        both(linear, adam(**OPTIONS[name]), batch_size=2, **MEAN)


def test_groups_with_schedules_and_one_norm(both):
    def make():
        groups = [{"params": W(float), "lr": HALF, "betas": (0.5, 0.9)}, {"params": b(float), "weight_decay": 0.1}]
        return fastopt.Adam(groups, lr=lambda k: 0.1 / (1 + k), clip_norm=1.0, check_finite="skip")

    opt, _ = both(indexed, make, batch_size=2, epochs=4)
    assert opt.t == 48


@pytest.mark.parametrize("batch_size", [None, 1, 5, 22, N, 32])
def test_batches(both, batch_size):
    per_epoch = 1 if batch_size is None else -(-N // batch_size)
    for reduction in ("sum", "mean"):
        for accumulate in (1, 3, 100):
            opt, _ = both(linear, adam(), batch_size=batch_size, accumulate=accumulate, reduction=reduction)
            assert opt.t == 3 * -(-per_epoch // accumulate)


def test_many_slices(both):
    """Updates enough for slices of many lengths, and a schedule tabulated for each."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(20_000, 3)), rng.normal(size=20_000)
    opt, _ = both(linear, adam(lr=lambda k: 0.01 / (1 + k)), data, batch_size=1, epochs=2)
    assert opt.t == 40_000


# --- data ----------------------------------------------------------------------------------------------------------


def test_data_of_many_kinds(both):
    data = (X.astype(np.float32), EACH.astype(np.uint8), X[:, 0] > 0, RNG.normal(size=(N, 2, 3)) + 1j * X[:, :1, None])
    both(mixed, adam(lambda: array(np.float32)), data)  # in batches, which are gathered: all at once are the data


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


DATA = {
    "F": (np.asfortranarray(X), Y),
    "read-only": (read_only(X), read_only(Y)),
    "strided": (np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], np.repeat(Y, 2)[::2]),
    "float32": (X.astype(np.float32), Y.astype(np.float32)),
}


@pytest.mark.parametrize("batch_size", [None, 5, 16])
@pytest.mark.parametrize("kind", DATA)
def test_layouts(both, kind, batch_size):
    both(linear, adam(), DATA[kind], batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [None, 40])
def test_layouts_with_products_of_matrices(both, batch_size):
    """BLAS adds up in another order in another layout, so a batch must have the same one on both paths."""
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=(200, 67)), rng.normal(size=200), rng.normal(size=67)
    both(assigning, adam(lambda: w.copy()), (np.asfortranarray(x), y), batch_size=batch_size)


# --- epochs --------------------------------------------------------------------------------------------------------


def test_validation_patience_callbacks_and_going_on(both):
    held_out = (X[:7] + 1, Y[:7])
    _, hist = both(linear, adam(lr=0.5), validation=held_out, patience=2, epochs=40)
    assert hist.stopped == "patience"
    both(linear, adam(), validation=held_out, reduction="mean")

    def stop(epoch, loss, opt):
        opt.params[0] += 0.125 + loss  # parameters and state may be changed in between
        opt.load_state_dict(opt.state_dict() | {"t": opt.t + 1})
        if epoch == 3:
            raise StopIteration

    opt, hist = both(linear, adam(), callback=stop, epochs=9, initial_epoch=1)
    assert (hist.stopped, hist.epoch, opt.t) == ("callback", [1, 2, 3], 18)
    whole, through = both(linear, adam(lr=HALF), epochs=5)
    parts = adam(lr=HALF)()
    losses = fit(linear, parts, (X, Y), batch_size=5, epochs=2).loss
    losses += fit(linear, parts, (X, Y), batch_size=5, epochs=5, initial_epoch=2).loss
    assert (losses, contents(parts)) == (through.loss, contents(whole))


# --- failures in the middle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2])
def test_exceptions_of_the_loss(both, accumulate):
    opt, error = both(failing, adam(), MARKED, batch_size=1, accumulate=accumulate)
    assert (type(error), str(error)) == (ZeroDivisionError, "of the loss")
    assert 0 < opt.t < N


@pytest.mark.parametrize("structure", ["array", "packed"])
def test_gradients_that_are_not_finite(both, structure):
    def make(**options):
        return adam((lambda: array()) if structure == "array" else (lambda: pack([array()])), **options)

    loss = poisoned if structure == "array" else poisoned_tuple
    where = "grads" if structure == "array" else r"grads[0]"
    opt, error = both(loss, make(check_finite=True), MARKED, batch_size=1)
    assert (type(error), str(error)) == (ValueError, f"grads must be finite, got NaN or Inf in {where}")
    assert 0 < opt.t < N
    if structure == "packed":
        return  # the name is what differs
    opt, _ = both(loss, make(check_finite="skip"), MARKED, batch_size=2)
    assert (opt.t, opt.skipped) == (33, 3)
    assert np.isfinite(contents_of(opt)).all()
    opt, _ = both(loss, make(clip_norm=1.0), MARKED, batch_size=2)
    assert np.isnan(contents_of(opt)[1])


def contents_of(opt):
    return opt._layout.leaves[0]


@njit(cache=True)
def poisoned_tuple(p, g, X, y, each):
    return poisoned(p[0], g[0], X, y, each)


def test_schedules_are_asked_for_no_step_that_is_not_taken(both):
    rates = [0.1] * 15  # as many as updates
    opt, _ = both(linear, adam(lr=lambda k: rates[k]))
    assert opt.t == 15


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_schedules_that_leave_their_range(both, bad):
    opt, error = both(linear, adam(lr=lambda k: 0.1 if k < 12 else bad))
    assert "lr (a schedule, at step 12) must be" in str(error)
    assert opt.t == 12


# --- the choice of the path ----------------------------------------------------------------------------------------


def test_the_choice_of_the_path(both, monkeypatch):
    def way(params, loss=linear, **options):
        return training_of(loss, fastopt.SGD(params, **options))

    for dtype in (np.float32, np.float64):
        most = cpu.threshold(fastopt.RULES[1], dtype)
        assert (
            way(np.zeros(most - 1, dtype)) is way([np.zeros(most - 1, dtype), np.zeros(9, dtype)]) is CompiledTraining
        )
        if config.NUMBA_NUM_THREADS > 1:
            assert way(np.zeros(most, dtype)) is Training
        assert way(np.zeros(most, dtype), parallel=False) is way(np.zeros(most, dtype), threads=1) is CompiledTraining
    assert way(array(), linear.py_func) is Training
    assert way([array(np.float32), array()]) is way(pack([array(np.float32), array()])) is Training
    both(indexed, adam(lambda: [W(np.float32), b(float)]), compiled=False)  # two dtypes
    both(linear, adam(lambda: np.ones(300_000), parallel=False, clip_norm=0.7), epochs=1)
    monkeypatch.setattr(config, "DISABLE_JIT", True)
    assert way(array()) is Training


WRONG = {  # what is said of it: the loss
    "<lambda>(w, g, X)": njit(lambda w, g, X: 0.0),
    "none": njit(lambda w, g, X, y: None),
    "Tuple": njit(lambda w, g, X, y: (1.0, w)),
    "complex128": njit(lambda w, g, X, y: 1j),
    "nothing": njit(lambda w, g, X, y: w.nothing),
}


def half_a_square(w, g, X):
    f = 0.0
    for k in range(w.size):
        g[k] = w[k]
        f += 0.5 * w[k] * w[k]
    return f


@pytest.mark.parametrize("said", WRONG)
def test_wrong_losses(said):
    opt = fastopt.SGD(array())
    before = contents(opt)
    with pytest.raises(TypeError) as caught:
        fit(WRONG[said], opt, (X, Y), batch_size=5, epochs=1)
    message = str(caught.value)
    assert message.startswith("loss_and_grad must ")
    assert "loss_and_grad(params, grads, arg1, arg2) -> float" in message
    assert said in message
    assert len(message) <= 300 > len(message.splitlines()) * 200
    assert contents(opt) == before


@pytest.mark.parametrize("dtype", ["O", "f2", np.dtype("f8").newbyteorder("S")], ids=str)
def test_data_that_no_compiled_loss_can_take(dtype):
    with pytest.raises((TypeError, ValueError), match=r"^(loss_and_grad|data).* must .*") as caught:
        fit(linear, fastopt.SGD(array()), (X, Y.astype(dtype)), batch_size=5, epochs=1)
    assert len(str(caught.value).splitlines()) == 1


@njit
def any_number(w, g, *batch):
    return linear(w, g, batch[0], batch[1])


@njit
def defaulted(w, g, X, y, scale=2.0):
    return scale * linear(w, g, X, y)


@pytest.mark.parametrize("loss", [any_number, defaulted], ids=["*batch", "default"])
def test_signatures(both, loss):
    opt, _ = both(loss, adam())
    assert opt.t == 15


def test_explicit_signatures(both):
    explicit = njit("float64(float64[::1], float64[::1], float64[:, ::1])")(half_a_square)
    opt, _ = both(explicit, adam(), X)
    assert opt.t == 15
    opt, _ = both(explicit, adam(), np.asfortranarray(X))  # a batch is in C order all the same
    assert opt.t == 15


# --- in fresh processes --------------------------------------------------------------------------------------------


def test_an_interrupt_is_answered_at_once(tmp_path):
    code = """
import os, signal, threading, time
from numba import njit
@njit
def loss(w, g, X):
    for k in range(2000): g[0] += np.cos(w[0] + k)
    return g[0]
sent = []
def fire():
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
opt = fastopt.Adam(np.zeros(3))
fastopt.fit(loss, opt, np.zeros((2, 1)), batch_size=1, epochs=1)
threading.Timer(1.0, fire).start()
try: fastopt.fit(loss, opt, np.zeros((2_000_000, 1)), batch_size=1, epochs=2)
except KeyboardInterrupt: answers["seconds"] = time.perf_counter() - sent[0]
answers["t"] = opt.t
"""
    answers = Place(tmp_path).run(code, **INSTALLED)["answers"]
    assert answers["seconds"][0] < 0.3
    assert 100 < answers["t"][0] < 2_000_000
