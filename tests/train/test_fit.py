"""Training: parameters change only after every example of a batch is in, and by the sum; order and accumulation."""

import numpy as np
import pytest

import fastopt
from fastopt import fit

N = 23
RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(N, 3)), RNG.normal(size=N)
EACH = np.arange(N)  # an example is known by its number


def linear(w, g, X, y):
    """Adds the sum of the per-example gradients."""
    r = X @ w - y
    g += X.T @ r
    return 0.5 * r @ r


def assigning(w, g, X, y):
    r = X @ w - y
    g[...] = X.T @ r
    return 0.5 * r @ r


class Recorder:
    """A loss that notes what it is called with: examples, the parameters' bits, and the bits of the gradient."""

    def __init__(self):
        self.examples, self.params, self.clean = [], [], []

    def __call__(self, w, g, X, y, each):
        self.examples.append(each.tolist())
        self.params.append(w.copy())
        self.clean.append(not g.any())
        return linear(w, g, X, y)


def recorded(batch_size, epochs=1, **options):
    loss, w = Recorder(), np.zeros(3)
    fit(loss, fastopt.SGD(w, lr=0.01), (X, Y, EACH), batch_size=batch_size, epochs=epochs, **options)
    return loss, w


def joined(lists):
    return [i for one in lists for i in one]


def run(loss=linear, make=fastopt.SGD, w=None, data=(X, Y), lr=0.01, hyper=(), **options):
    w = np.zeros(3) if w is None else w
    opt = make(w, lr=lr, **dict(hyper))
    options = {"batch_size": 5, "epochs": 3} | options
    return w, opt, fit(loss, opt, data, **options)


# ---------------------------------------------------------------- the note of the mission


@pytest.mark.parametrize("batch_size", [1, 5, N, None, 100])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_parameters_change_only_after_every_example_and_by_the_sum(batch_size, accumulate):
    loss, w = recorded(batch_size, accumulate=accumulate, seed=3)
    calls = list(zip(loss.params, loss.examples))
    expected = np.zeros(3)
    for start in range(0, len(calls), accumulate):
        update = calls[start : start + accumulate]
        gradient = np.zeros(3)
        for seen, examples in update:
            assert seen.tobytes() == update[0][0].tobytes()  # no change in between
            for i in examples:  # per example
                r = X[i] @ expected - Y[i]
                gradient += r * X[i]
        np.testing.assert_allclose(update[0][0], expected, rtol=1e-12, atol=1e-15)
        expected = expected - 0.01 * gradient
    np.testing.assert_allclose(w, expected, rtol=1e-12)
    assert all(loss.clean)


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1] * N), (5, [5, 5, 5, 5, 3]), (22, [22, 1]), (N, [N]), (None, [N]), (100, [N])]
)
def test_every_example_once_an_epoch(batch_size, sizes):
    loss, _ = recorded(batch_size, epochs=3)
    per_epoch = len(sizes)
    orders = []
    for epoch in range(3):
        calls = loss.examples[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert [len(examples) for examples in calls] == sizes
        orders.append(joined(calls))
        assert sorted(orders[-1]) == list(range(N))
    assert len(loss.examples) == 3 * per_epoch
    if len(sizes) == 1:
        assert orders[0] == list(range(N))  # a full batch is not shuffled
    else:
        assert orders[0] != orders[1] != orders[2] != orders[0]
        assert orders[0] != list(range(N))


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(**options):
        loss, _ = recorded(4, **options)
        return loss.examples

    np.random.default_rng(0).normal()  # other generators do not matter
    assert order(epochs=3, seed=7) == order(epochs=3, seed=7)
    assert order(epochs=3, seed=7) != order(epochs=3, seed=8)
    assert order(epochs=3, seed=7)[12:] == order(epochs=3, seed=7, initial_epoch=2)
    wider = [joined(recorded(size, epochs=2, seed=1)[0].examples) for size in (3, 4, 11)]
    assert wider[0] == wider[1] == wider[2]  # and not of the batch size
    assert order(epochs=1) == order(epochs=1, seed=0)


# ---------------------------------------------------------------- options of the sum


def test_a_mean_is_a_sum_with_a_smaller_learning_rate():
    by_sum, _, sums = run(make=fastopt.GD, lr=0.1 / N, batch_size=None, epochs=10)
    by_mean, _, means = run(make=fastopt.GD, lr=0.1, batch_size=None, epochs=10, reduction="mean")
    np.testing.assert_allclose(by_mean, by_sum, rtol=1e-13)
    np.testing.assert_allclose(means.loss, np.array(sums.loss) / N, rtol=1e-13)
    # the last update of an epoch has fewer examples, and is divided by their number
    loss, w = Recorder(), np.zeros(3)
    fit(loss, fastopt.SGD(w, lr=0.1), (X, Y, EACH), batch_size=3, epochs=1, reduction="mean", accumulate=3)
    expected = np.zeros(3)
    for update in (loss.examples[:3], loss.examples[3:6], loss.examples[6:]):
        i = joined(update)
        expected -= 0.1 * X[i].T @ (X[i] @ expected - Y[i]) / len(i)
    np.testing.assert_allclose(w, expected, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("batch_size", "k"), [(1, 4), (2, 6), (5, 2), (4, 100), (N, 3)])
def test_accumulating_is_a_larger_batch(batch_size, k, reduction):
    small, opt, hist = run(make=fastopt.Adam, batch_size=batch_size, accumulate=k, reduction=reduction)
    large, one, same = run(make=fastopt.Adam, batch_size=batch_size * k, reduction=reduction)
    assert opt.t == one.t == 3 * -(-N // (batch_size * k))
    if batch_size * k < N or batch_size >= N:  # else a full batch is not shuffled, and sums are in another order
        np.testing.assert_allclose(small, large, rtol=1e-11)
        np.testing.assert_allclose(hist.loss, same.loss, rtol=1e-11)
    np.testing.assert_allclose(small, large, rtol=1e-9)


def test_one_by_one_is_textbook_stochastic_gradient_descent():
    loss, w = recorded(1, epochs=2)
    expected = np.zeros(3)
    for (i,) in loss.examples:
        expected = expected - 0.01 * (X[i] @ expected - Y[i]) * X[i]
    np.testing.assert_allclose(w, expected, rtol=1e-12)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_losses_may_assign_or_add(accumulate):
    added, assigned = (run(loss, fastopt.Adam, accumulate=accumulate)[0] for loss in (linear, assigning))
    np.testing.assert_allclose(added, assigned, rtol=1e-13)


def test_gradient_descent_insists_on_all_data():
    w = np.zeros(3)
    opt = fastopt.GD(w)
    for short in ({"batch_size": 22}, {"batch_size": 5, "accumulate": 4}):
        with pytest.raises(ValueError, match=r"GD.*got 2\d"):
            fit(linear, opt, (X, Y), epochs=1, **short)
    assert (opt.t, w.any()) == (0, False)
    for whole in ({"batch_size": None}, {"batch_size": N}, {"batch_size": 5, "accumulate": 5}, {"batch_size": 99}):
        fit(linear, opt, (X, Y), epochs=1, **whole)
    assert opt.t == 4
