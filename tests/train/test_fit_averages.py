"""Training with an average of the parameters, which held-out data are evaluated at; in Python, and compiled."""

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt.train.compiled import CompiledTraining, training_of

X = np.random.default_rng(0).normal(size=(12, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + np.random.default_rng(1).normal(size=12)
HELD_OUT = X[:5] + 0.5, Y[:5]


def plain(w, g, X, y):
    r = X @ w - y
    g += X.T @ r
    return 0.5 * (r @ r)


compiled = njit(plain)
each_path = pytest.mark.parametrize("loss", [plain, compiled], ids=["python", "compiled"])


def made(**options):
    return fastopt.Momentum(np.zeros(3), lr=0.05, **options)


@each_path
@pytest.mark.parametrize("asked", [{"ema": 0.8}, {"average": "polyak"}])
def test_validation_is_of_the_average(loss, asked):
    opt, seen = made(**asked), []
    assert (training_of(loss, opt) is CompiledTraining) == (loss is compiled)

    def note(epoch, total, opt):
        seen.append(plain(opt.averaged, np.zeros(3), *HELD_OUT))
        with opt.swapped():
            assert plain(opt.params, np.zeros(3), *HELD_OUT) == seen[-1]

    hist = fastopt.fit(loss, opt, (X, Y), batch_size=4, epochs=6, validation=HELD_OUT, callback=note)
    np.testing.assert_allclose(hist.validation, seen, rtol=1e-14)
    assert plain(opt.params, np.zeros(3), *HELD_OUT) != seen[-1]
    without = made()
    fastopt.fit(loss, without, (X, Y), batch_size=4, epochs=6)
    assert opt.params.tolist() == without.params.tolist()


@each_path
def test_patience_restores_parameters_and_average_of_the_best_epoch(loss):
    opt, seen = made(ema=0.9), []

    def note(epoch, total, opt):
        seen.append((opt.params.copy(), opt.averaged.copy()))

    hist = fastopt.fit(loss, opt, (X, Y), batch_size=4, epochs=200, validation=HELD_OUT, patience=3, callback=note)
    best = int(np.argmin(hist.validation))
    assert (hist.stopped, best) == ("patience", len(seen) - 4)
    for found, wanted, last in zip((opt.params, opt.averaged), seen[best], seen[-1]):
        assert found.tolist() == wanted.tolist() != last.tolist()


@each_path
def test_a_mapping_and_a_matrix(loss):
    """As the parameters are handed over, the average is."""

    def nested(params, grads, X, y):
        r = (X @ params.w)[:, 0] + params.b[0] - y
        grads.w[:, 0] += X.T @ r
        grads.b[0] += r.sum()
        return 0.5 * (r @ r)

    params = fastopt.pack({"w": np.zeros((3, 1)), "b": np.zeros(1)})
    opt = fastopt.Adam(params, lr=0.1, ema=0.5)
    used = njit(nested) if loss is compiled else nested
    hist = fastopt.fit(used, opt, (X, Y), batch_size=6, epochs=3, validation=HELD_OUT)
    r = HELD_OUT[0] @ opt.averaged["w"][:, 0] + opt.averaged["b"][0] - HELD_OUT[1]
    assert hist.validation[-1] == pytest.approx(0.5 * (r @ r), rel=1e-13)
