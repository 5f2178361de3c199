"""Training over epochs: history, callbacks, validation and patience, going on in the middle."""

import numpy as np
import pytest
from refusals import contents
from test_fit import EACH, Recorder, X, Y, linear, run

import fastopt
from fastopt import fit, pack

# ---------------------------------------------------------------- history, callbacks, stopping


def test_history():
    _, opt, hist = run(epochs=4)
    assert hist.epoch == [0, 1, 2, 3]
    assert hist.time == sorted(hist.time)
    assert hist.time[0] >= 0
    assert (len(hist.time), len(hist.loss), hist.validation, hist.stopped) == (4, 4, [], None)
    assert all(type(loss) is float for loss in hist.loss)
    assert hist.loss == sorted(hist.loss, reverse=True)
    assert opt.t == 4 * 5
    loss, w = Recorder(), np.zeros(3)
    first = fit(loss, fastopt.SGD(w, lr=0.01), (X, Y, EACH), batch_size=5, epochs=1).loss
    seen = [0.5 * np.sum((X[i] @ p - Y[i]) ** 2) for i, p in zip(loss.examples, loss.params)]
    np.testing.assert_allclose(first, [sum(seen)], rtol=1e-13)  # of the parameters that each update saw


@pytest.mark.parametrize("initial", [0, 7])
def test_no_epochs(initial):
    w, opt, hist = run(epochs=initial, initial_epoch=initial, validation=(X, Y), patience=1)
    assert hist == fastopt.History()
    assert (opt.t, w.any()) == (0, False)


def test_callbacks():
    seen = []
    _, opt, hist = run(callback=lambda *args: seen.append(args), epochs=5, initial_epoch=2)
    assert [args[:2] for args in seen] == list(zip([2, 3, 4], hist.loss))
    assert all(args[2] is opt for args in seen)

    def stop(epoch, loss, opt):
        if epoch == 3:
            raise StopIteration

    _, opt, hist = run(callback=stop, epochs=9, validation=(X, Y))
    assert (hist.stopped, hist.epoch) == ("callback", [0, 1, 2, 3])
    assert [len(part) for part in (hist.loss, hist.time, hist.validation)] == [4, 4, 4]
    assert opt.t == 4 * 5

    def fail(epoch, loss, opt):
        raise ZeroDivisionError("of the callback")

    with pytest.raises(ZeroDivisionError, match="of the callback"):
        run(callback=fail)


class Judge:
    """Trains as ever, but says of the validation data what it is told to say."""

    def __init__(self, verdicts):
        self.verdicts, self.params = iter(verdicts), []

    def __call__(self, w, g, X, y):
        if len(X) != 7:
            return linear(w, g, X, y)
        self.params.append(w.copy())
        g += 1e9  # no part of the training
        return next(self.verdicts)


NAN = float("nan")


@pytest.mark.parametrize(
    ("verdicts", "patience", "epochs", "best", "stopped"),
    [
        ([5, 4, 3, 4, 5, 2], 2, 5, 2, "patience"),
        ([5, 4, 3, 4, 5, 2], 3, 6, 5, None),
        ([5, 5, 5, 5, 5, 5], 1, 2, 0, "patience"),  # no smaller one
        ([5, 4, 3, 2, 1, 0], 1, 6, 5, None),
        ([5, NAN, NAN, 4, 9, 9], 3, 6, 3, None),
        ([NAN, 5, 4, 3, 9, 9], 2, 6, 3, "patience"),  # a number is better than none
    ],
)
def test_patience_restores_the_best(verdicts, patience, epochs, best, stopped):
    judge = Judge(verdicts)
    w, opt, hist = run(judge, fastopt.Adam, validation=(X[:7], Y[:7]), patience=patience, epochs=6, lr=0.1)
    np.testing.assert_array_equal(hist.validation, verdicts[:epochs])
    assert (len(hist.loss), hist.stopped) == (epochs, stopped)
    assert w.tobytes() == judge.params[best].tobytes()
    assert opt.t == 5 * epochs


def test_validation_alone_restores_nothing():
    judge = Judge([1, 2, 3])
    w, _, hist = run(judge, validation=(X[:7], Y[:7]))
    assert hist.validation == [1, 2, 3]
    assert w.tobytes() == judge.params[-1].tobytes()
    mean = run(validation=(X[:7], Y[:7]), reduction="mean")[2]
    np.testing.assert_allclose(
        run(validation=(X[:7], Y[:7]), reduction="mean", epochs=1)[2].validation, mean.validation[:1]
    )
    w, _, hist = run(validation=(X[:7], Y[:7]), reduction="mean")
    np.testing.assert_allclose(hist.validation[-1], 0.5 * np.mean((X[:7] @ w - Y[:7]) ** 2), rtol=1e-13)


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("make", [fastopt.Adam, fastopt.NAdam, fastopt.SGD])
@pytest.mark.parametrize("hold", [lambda w: w, lambda w: {"w": w}, lambda w: pack([w])], ids=["array", "dict", "pack"])
def test_going_on_gives_the_same_bits(make, hold, tmp_path):
    def loss(p, g, X, y):
        return linear(p, g, X, y) if isinstance(p, np.ndarray) else linear(p[0], g[0], X, y)

    options = {"batch_size": 4, "seed": 11, "accumulate": 2}
    lr = fastopt.schedules.cosine(0.05, 40)
    through = make(hold(np.zeros(3)), lr=lr)
    whole = fit(loss, through, (X, Y), epochs=9, **options)
    first, second = make(hold(np.zeros(3)), lr=lr), make(hold(np.ones(3)), lr=lr)
    begun = fit(loss, first, (X, Y), epochs=4, **options)
    fastopt.save(tmp_path / "run", first)
    fastopt.load(tmp_path / "run", second)
    ended = fit(loss, second, (X, Y), epochs=9, initial_epoch=4, **options)
    assert contents(second) == contents(through)
    assert begun.loss + ended.loss == whole.loss
    assert begun.epoch + ended.epoch == whole.epoch
