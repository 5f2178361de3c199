"""What differs between ranks is refused on all; what one raises while they train ends the training of all."""

from contextlib import contextmanager, suppress

import numpy as np
import pytest
from ranks_in_threads import run

import fastopt
from fastopt.train.ranks import TrainingOfRanks

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=12)
VAL = X[:4], Y[:4]
PARTS = {2: [slice(0, 8), slice(8, 12)], 3: [slice(0, 2), slice(2, 8), slice(8, 12)]}


def linear(w, g, X, y):
    r = X @ w - y
    g += X.T @ r
    return 0.5 * (r @ r)


def on_ranks(size, of_rank, **options):
    """What fit does on each rank, with the arguments that ``of_rank`` has for it; the bits of each optimiser."""
    bits = [None] * size

    def script(comm):
        rank = comm.Get_rank()
        opt, part = fastopt.Adam(np.zeros(3), lr=0.1, comm=comm, **options), PARTS[size][rank]
        arguments = {"loss_and_grad": linear, "data": (X[part], Y[part]), "batch_size": 2, "epochs": 3}
        try:
            return fastopt.fit(opt=opt, **arguments | of_rank(rank, opt))
        finally:
            bits[rank] = opt.t, opt.params.tolist()
            opt.lr = 0.1  # whatever a callback made of it
            opt.step(np.ones(3))  # the ranks have nothing left to say to each other

    return run(size, script)[0], bits


def check_one_sentence(error):
    text = str(error)
    assert len(text) <= 300
    assert len(text.splitlines()) == 1


# ---------------------------------------------------------------- what must be the same


SAME = {
    "epochs": (3, 4),
    "seed": (0, 1),
    "batch_size": (2, 3),
    "reduction": ("sum", "mean"),
    "accumulate": (1, 2),
    "patience": (None, 2),
    "initial_epoch": (0, 1),
}


@pytest.mark.parametrize("name", SAME)
def test_arguments_that_differ(name):
    found, bits = on_ranks(3, lambda rank, opt: {"validation": VAL, name: SAME[name][rank == 2]})
    for error in found:
        assert type(error) is ValueError
        assert str(error) == (
            f"{name} must be the same on all ranks, got {SAME[name][0]} on rank 0 and {SAME[name][1]} on rank 2"
        )
    assert bits == [(0, [0.0] * 3)] * 3


def test_all_examples_at_once_on_one_rank_alone():
    found, _ = on_ranks(2, lambda rank, opt: {"batch_size": [None, 8][rank]})
    assert {str(error) for error in found} == {
        "batch_size must be the same on all ranks, got None on rank 0 and 8 on rank 1"
    }


@pytest.mark.parametrize(("name", "value"), [("validation", VAL), ("callback", lambda *_: None)])
def test_what_is_given_to_one_rank_alone(name, value):
    found, _ = on_ranks(2, lambda rank, opt: {name: value} if rank else {})
    assert {(type(error), str(error)) for error in found} == {
        (ValueError, f"whether {name} is given must be the same on all ranks, got False on rank 0 and True on rank 1")
    }


OTHERS = {
    "dtype": (X[:4], Y[:4].astype(np.float32)),
    "columns": (X[:4, :2], Y[:4]),
    "number of arrays": (X[:4],),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_examples_of_another_kind(data):
    found, _ = on_ranks(2, lambda rank, opt: {"data": data} if rank else {})
    (text,) = {str(error) for error in found}
    assert text.startswith(
        "the dtypes and shapes of examples must be the same on all ranks, "
        "got float64 (3,), float64 () on rank 0 and float64 ("
    )
    check_one_sentence(text)


def test_what_may_differ():
    """Numbers of examples and progress bars; how many are held out is a rank's own affair, too."""
    found, _ = on_ranks(2, lambda rank, opt: {"validation": (X[: 1 + rank], Y[: 1 + rank]), "seed": np.int32(rank * 0)})
    assert [hist.stopped for hist in found] == [None, None]


# ---------------------------------------------------------------- what one rank raises


def check_ended(found, who, kind, text):
    """The rank that raised has its own exception, and the others are told."""
    for rank, error in enumerate(found):
        if rank == who:
            assert type(error) is kind
            assert str(error) == text or text in str(error)
        else:
            told = kind if kind in (TypeError, ValueError) else RuntimeError
            assert type(error) is told
            assert str(error).startswith(f"rank {who} of {len(found)} raised {kind.__name__}: {text}".rstrip())
            check_one_sentence(error)


WRONG = {
    "data": ([1.0, 2.0], TypeError, "data[0] must be an array"),
    "loss_and_grad": (3, TypeError, "loss_and_grad must be callable"),
    "epochs": (-1, ValueError, "epochs must be at least 0"),
    "validation": (3.0, TypeError, "validation[0] must be an array"),
    "callback": (3, TypeError, "callback must be callable"),
    "progress": (1, TypeError, "progress must be True or False"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("who", [0, 2])
def test_arguments_that_are_wrong_on_one_rank(name, who):
    bad, kind, text = WRONG[name]
    found, bits = on_ranks(3, lambda rank, opt: {name: bad} if rank == who else {})
    check_ended(found, who, kind, text)
    assert bits == [(0, [0.0] * 3)] * 3


def test_gradient_descent_insists_on_all_examples_of_every_rank():
    def script(comm):
        opt, part = fastopt.GD(np.zeros(3), lr=0.1, comm=comm), PARTS[2][comm.Get_rank()]
        return fastopt.fit(linear, opt, (X[part], Y[part]), batch_size=4, epochs=1)  # all of one rank's

    found, _ = run(2, script)
    check_ended(found, 0, ValueError, "batch_size * accumulate must cover all 8 examples with GD, got 4")


def raising(error, at):
    """A loss that raises at this call."""
    calls = []

    def loss(w, g, X, y):
        calls.append(None)
        if len(calls) == at:
            g += 1e9
            raise error
        return linear(w, g, X, y)

    return loss


RAISED = [
    ValueError("of one"),
    ZeroDivisionError("of one"),
    KeyboardInterrupt("of one"),
    StopIteration("of one"),
    OSError("of one"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("who", "at", "steps"), [(0, 1, 0), (0, 2, 3), (1, 5, 4), (1, 6, 5), (2, 3, 3)])
def test_a_loss_that_raises_on_one_rank(error, who, at, steps):
    """At the first update; in the second epoch; while the others have no more examples of an epoch."""
    found, bits = on_ranks(3, lambda rank, opt: {"loss_and_grad": raising(error, at) if rank == who else linear})
    check_ended(found, who, type(error), str(error))
    assert bits == [(steps, bits[0][1])] * 3


def test_two_ranks_that_raise_keep_their_own():
    losses = [raising(ValueError("of 0"), 2), linear, raising(OSError("of 2"), 3)]  # at the fourth update
    found, bits = on_ranks(3, lambda rank, opt: {"loss_and_grad": losses[rank]})
    assert [(type(error), str(error)) for error in found] == [
        (ValueError, "of 0"),
        (ValueError, "rank 0 of 3 raised ValueError: of 0"),
        (OSError, "of 2"),
    ]
    assert bits == [(3, bits[0][1])] * 3


def test_a_gradient_that_one_rank_does_not_write():
    def left(w, g, X, y):
        g = X.T @ (X @ w - y)
        return float(np.sum(g))

    found, bits = on_ranks(2, lambda rank, opt: {"loss_and_grad": left} if rank else {})
    check_ended(found, 1, ValueError, "loss_and_grad must write grads ")
    assert bits == [(0, [0.0] * 3)] * 2


def test_a_loss_that_returns_no_number_on_one_rank():
    def nothing(w, g, X, y):
        g += 1.0

    found, bits = on_ranks(2, lambda rank, opt: {} if rank else {"loss_and_grad": nothing})
    check_ended(found, 0, TypeError, "loss_and_grad must return the loss as a number, got None")
    assert bits == [(0, [0.0] * 3)] * 2


@pytest.mark.parametrize("error", RAISED[:3], ids=lambda error: type(error).__name__)
def test_a_callback_that_raises_on_one_rank(error):
    def callback(epoch, loss, opt):
        if epoch == 1:
            raise error

    found, bits = on_ranks(2, lambda rank, opt: {"callback": callback if rank else lambda *_: None})
    check_ended(found, 1, type(error), str(error))
    assert bits[0] == bits[1]
    assert bits[0][0] == 2 * 4


class Unsayable(Exception):
    def __str__(self):
        raise TypeError("this has no text")


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyError(), "KeyError"), (Unsayable(), "Unsayable"), (OSError("no file '\udcff'"), "OSError: no file '?'")],
)
def test_an_exception_whose_text_is_odd(error, said):
    def script(comm):
        def callback(epoch, loss, opt):
            if comm.Get_rank():
                raise error

        opt = fastopt.Adam(np.zeros(3), comm=comm)
        with pytest.raises((type(error), RuntimeError)) as raised:
            fastopt.fit(linear, opt, (X, Y), batch_size=2, epochs=3, callback=callback)
        return raised.value

    found, _ = run(2, script)
    assert str(found[0]) == f"rank 1 of 2 raised {said}"
    assert found[1] is error


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}], ids=["plain", "average"])
@pytest.mark.parametrize("error", RAISED[:4], ids=lambda error: type(error).__name__)
def test_held_out_examples_whose_loss_raises_on_one_rank(error, options):
    def loss(w, g, X, y):
        if len(y) == 3:  # held out
            raise error
        return linear(w, g, X, y)

    def of_rank(rank, opt):
        return {"validation": (X[: 2 + rank], Y[: 2 + rank]), "loss_and_grad": loss}

    found, bits = on_ranks(2, of_rank, **options)
    check_ended(found, 1, type(error), str(error))
    assert bits[0] == bits[1]
    assert bits[0][0] == 4


@pytest.mark.parametrize("method", ["evaluate", "copy"])
def test_what_fit_itself_raises_on_one_rank(method, monkeypatch):
    """Between two places where the ranks meet; the others may have put the average in place by then."""
    plain = getattr(TrainingOfRanks, method)

    def failing(self, *args):
        if not self.leads:
            raise MemoryError("of one")
        return plain(self, *args)

    monkeypatch.setattr(TrainingOfRanks, method, failing)
    found, bits = on_ranks(2, lambda rank, opt: {"validation": VAL, "patience": 1}, ema=0.9)
    check_ended(found, 1, MemoryError, "of one")
    assert bits[0] == bits[1]


def test_what_is_raised_behind_the_last_epoch_on_one_rank(monkeypatch):
    @contextmanager
    def bar(show, total, what):
        yield lambda steps, text: None
        if show:
            raise OSError("of a closed pipe")

    monkeypatch.setattr("fastopt.train.fit.progress_bar", bar)
    found, bits = on_ranks(2, lambda rank, opt: {"progress": True})
    check_ended(found, 0, OSError, "of a closed pipe")
    assert bits[0] == bits[1]


def test_what_is_raised_once_all_have_trained_is_told_to_nobody(monkeypatch):
    """As an interrupt at the very end: the others may do something else by then."""
    ended = TrainingOfRanks.end

    def end(self, kept):
        ended(self, kept)
        if not self.leads:
            raise KeyboardInterrupt("of one")

    monkeypatch.setattr(TrainingOfRanks, "end", end)
    found, bits = on_ranks(2, lambda rank, opt: {})
    assert found[0].stopped is None
    assert type(found[1]) is KeyboardInterrupt
    assert bits[0] == bits[1]


def test_refused_gradients_stop_all():
    def loss(w, g, X, y):
        g += np.nan if (y == Y[9]).any() else 1.0  # of rank 1
        return 0.0

    found, bits = on_ranks(2, lambda rank, opt: {"loss_and_grad": loss, "batch_size": None}, check_finite=True)
    assert {str(error) for error in found} == {"grads must be finite, got NaN or Inf in grads, summed over the ranks"}
    assert bits == [(0, [0.0] * 3)] * 2


def test_numbers_that_a_callback_changes_on_one_rank():
    def callback(epoch, loss, opt):
        opt.lr = 0.5

    found, bits = on_ranks(2, lambda rank, opt: {"callback": callback if rank else lambda *_: None})
    assert {str(error) for error in found} == {"lr must be the same on all ranks, got 0.1 on rank 0 and 0.5 on rank 1"}
    assert bits[0] == bits[1]


# ---------------------------------------------------------------- callbacks that meet other ranks


@pytest.mark.parametrize("caught", [False, True])
def test_a_callback_that_steps_on_one_rank_alone(caught):
    def callback(epoch, loss, opt):
        try:
            opt.step(np.ones(3))
        except RuntimeError:
            if not caught:
                raise

    found, bits = on_ranks(2, lambda rank, opt: {"callback": callback if rank else lambda *_: None})
    apart = "all ranks must make the same calls in the same order, got fit on rank 0 and opt.step on rank 1"
    assert str(found[0]) == apart
    assert str(found[1]) == (
        "callback must let through what it was told of other ranks, got it caught" if caught else apart
    )
    assert bits[0] == bits[1]


@pytest.mark.parametrize("caught", [False, True])
def test_a_callback_that_steps_another_optimiser_on_one_rank_alone(caught):
    def script(comm):
        opt, other = (fastopt.Adam(np.zeros(3), lr=0.1, comm=comm) for _ in range(2))

        def callback(epoch, loss, opt):
            with suppress(RuntimeError if caught else ()):
                other.step(np.ones(3))

        given = {"callback": callback if comm.Get_rank() else lambda *_: None, "batch_size": 2, "epochs": 3}
        with pytest.raises(RuntimeError) as raised:
            fastopt.fit(linear, opt, (X, Y), **given)
        opt.step(np.ones(3))  # the ranks have nothing left to say to each other
        return str(raised.value), opt.t

    apart = "all ranks must make the same calls in the same order, got fit on rank 0 and opt.step on rank 1"
    left = "callback must let through what it was told of other ranks, got it caught"
    assert run(2, script)[0] == [(apart, 7), (left if caught else apart, 7)]


def test_a_callback_that_catches_what_all_ranks_raise():
    """As one that catches the OSError of a full disk, which the other rank has as a RuntimeError."""

    def callback(wrong):
        def call(epoch, loss, opt):
            try:
                opt.step(np.ones(3) if wrong is None else wrong)
            except ValueError:
                if wrong is None:
                    raise

        return call

    found, bits = on_ranks(2, lambda rank, opt: {"callback": callback(None if rank else np.ones(2))})
    text = str(found[1])
    assert text.startswith("rank 0 of 2 raised ValueError: grads must have shape (3,)")
    assert str(found[0]) == f"rank 1 of 2 raised ValueError: {text}"
    assert bits[0] == bits[1]


def test_a_training_after_one_that_failed():
    def script(comm):
        opt, part = fastopt.Adam(np.zeros(3), lr=0.1, comm=comm), PARTS[2][comm.Get_rank()]
        step = (lambda *_: opt.step(np.ones(3))) if comm.Get_rank() else (lambda *_: None)
        for callback, data in ((step, X[part]), (None, X[part] if comm.Get_rank() else 1), (None, X[part])):
            try:
                hist = fastopt.fit(linear, opt, (data, Y[part]), batch_size=2, epochs=1, callback=callback)
            except (RuntimeError, TypeError) as error:
                hist = error
        return hist

    found, _ = run(2, script)
    assert found[0].loss == found[1].loss
    assert len(found[0].loss) == 1
