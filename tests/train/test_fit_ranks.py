"""Training on several ranks equals training on one, with the batches of all ranks put together."""

import numpy as np
import pytest
from numba import njit
from on_ranks import results
from refusals import contents

import fastopt

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=40)
PARTS = {2: [slice(0, 27), slice(27, 40)], 3: [slice(0, 5), slice(5, 28), slice(28, 40)]}  # unequal
HELD_OUT = X[:12] + 0.5, Y[:12]


def linear(w, g, X, y):
    r = X @ w - y
    g += X.T @ r
    return 0.5 * (r @ r)


def affine(p, g, X, y):
    r = X @ p.w + p.b[0] - y
    g.w[:] = X.T @ r
    g.b[0] = r.sum()
    return 0.5 * (r @ r)


def adam(comm, params, **options):
    return fastopt.Adam(params, **{"lr": 0.05, "comm": comm} | options)


def trained(size, make=adam, params=lambda: np.zeros(3), loss=linear, parts=None, **options):
    """On each rank the optimiser and the history."""
    options = {"batch_size": 4, "epochs": 3, "seed": 5} | options
    parts = parts or PARTS.get(size, [slice(None)])

    def script(comm):
        opt, part = make(comm, params()), parts[comm.Get_rank()]
        return opt, fastopt.fit(loss, opt, (X[part], Y[part]), **options)

    return results(size, script)


def updates_of(size, epoch, batch_size, accumulate, seed=5):
    """The examples of each update, of all ranks."""
    orders = []
    for part in PARTS[size]:
        examples = np.arange(40)[part]
        n = len(examples)
        if batch_size is not None and batch_size < n:
            examples = examples[np.random.default_rng((seed, epoch)).permutation(n)]
        orders.append(examples)
    one = 40 if batch_size is None else batch_size * accumulate
    for start in range(0, max(map(len, orders)), one):
        yield np.concatenate([order[start : start + one] for order in orders])


def by_hand(size, batch_size=4, accumulate=1, reduction="sum", epochs=3, make=adam):
    """A loop on one rank over the same batches."""
    w = np.zeros(3)
    opt, losses = make(None, w), []
    for epoch in range(epochs):
        losses.append(0.0)
        for examples in updates_of(size, epoch, batch_size, accumulate):
            g = np.zeros(3)
            losses[-1] += linear(w, g, X[examples], Y[examples])
            opt.step(g / len(examples) if reduction == "mean" else g)
    return opt, np.array(losses) / (40 if reduction == "mean" else 1)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def parameters(opt):
    return opt.params.tobytes()


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("make", [adam, lambda comm, p: fastopt.GD(p, lr=0.01, comm=comm)], ids=["Adam", "GD"])
def test_two_halves_in_full_equal_all_examples_on_one_rank(make, reduction):
    halves = [slice(0, 20), slice(20, 40)]
    options = {"batch_size": None, "epochs": 20, "reduction": reduction, "make": make}
    (one, expected), *_ = trained(1, **options)
    for opt, hist in trained(2, parts=halves, **options):
        close(opt.params, one.params)
        close(hist.loss, expected.loss)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 1), (4, 3), (None, 1), (None, 2), (7, 2), (100, 1)])
def test_batches_of_all_ranks_put_together(size, reduction, batch_size, accumulate):
    """Of unequal numbers of examples: a rank whose examples are through adds nothing."""
    options = {"batch_size": batch_size, "accumulate": accumulate, "reduction": reduction}
    expected, losses = by_hand(size, **options)
    found = trained(size, **options)
    for opt, hist in found:
        assert opt.t == expected.t
        close(opt.params, expected.params)
        close(hist.loss, losses)
    assert len({parameters(opt) for opt, _ in found}) == 1
    assert len({repr(hist.loss) for _, hist in found}) == 1


def test_a_run_repeats_to_the_bit_and_goes_on_where_another_ended():
    once, again = trained(3), trained(3)
    assert [contents(opt) for opt, _ in once] == [contents(opt) for opt, _ in again]

    def script(comm):
        opt, part = adam(comm, np.zeros(3)), PARTS[3][comm.Get_rank()]
        for first, last in ((0, 1), (1, 3)):
            data = X[part], Y[part]
            fastopt.fit(linear, opt, data, batch_size=4, epochs=last, initial_epoch=first, seed=5)
        return opt

    found = results(3, script)
    assert [contents(opt) for opt in found] == [contents(opt) for opt, _ in once]


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 1.5},
        {"clip_value": 1.0},
        {"check_finite": True},
        {"lr": fastopt.schedules.cosine(0.2, 20)},
        {"weight_decay": 0.1, "maximize": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_see_the_gradient_of_all(options):
    def make(comm, params):
        return adam(comm, params, **options)

    expected, losses = by_hand(2, make=make)
    for opt, hist in trained(2, make=make):
        close(opt.params, expected.params)
        close(hist.loss, losses)


def test_steps_are_skipped_on_all_ranks():
    def nasty(w, g, X, y):
        loss = linear(w, g, X, y)
        if (y == Y[30]).any():  # of rank 1
            g[1] = np.nan
        return loss

    found = trained(2, make=lambda comm, p: adam(comm, p, check_finite="skip"), loss=nasty)
    assert [(opt.t, opt.skipped) for opt, _ in found] == [(3 * 7 - 3, 3)] * 2
    assert len({parameters(opt) for opt, _ in found}) == 1
    assert np.isfinite(found[0][0].params).all()


NESTS = {
    "mapping": lambda: {"w": np.zeros(3), "b": np.zeros(1)},
    "packed": lambda: fastopt.pack({"w": np.zeros(3), "b": np.zeros(1)}),
}


@pytest.mark.parametrize("nest", NESTS)
def test_nests(nest):
    def values(opt):
        return [opt.params["w"].tolist(), opt.params["b"].tolist()]

    found = trained(2, params=NESTS[nest], loss=affine, batch_size=None)
    (one, expected), *_ = trained(1, params=NESTS[nest], loss=affine, batch_size=None)
    for opt, hist in found:
        close(np.concatenate(values(opt)), np.concatenate(values(one)))
        close(hist.loss, expected.loss)
    assert values(found[0][0]) == values(found[1][0])
    assert found[0][0].counts == {"w": 3, "b": 3}


def test_groups():
    def params():
        return [{"params": np.zeros(3), "lr": 0.1}, {"params": np.zeros(1)}]

    def loss(p, g, X, y):
        r = X @ p[0] + p[1][0] - y
        g[0][:] = X.T @ r
        g[1][0] = r.sum()
        return 0.5 * (r @ r)

    (one, _), *_ = trained(1, params=params, loss=loss, batch_size=None)
    for opt, _ in trained(2, params=params, loss=loss, batch_size=None):
        close(np.concatenate(opt.params), np.concatenate(one.params))


def test_a_loss_of_numbas_trains_as_one_of_pythons():
    for options in ({}, {"batch_size": None}, {"accumulate": 2, "reduction": "mean"}):
        plain, compiled = trained(2, **options), trained(2, loss=njit(linear), **options)
        close(compiled[0][1].loss, plain[0][1].loss)
        for (opt, _), (other, _) in zip(compiled, plain):
            close(opt.params, other.params)
        assert parameters(compiled[0][0]) == parameters(compiled[1][0])


def test_one_rank_is_none():
    """Where a communicator has one rank, training is compiled as without one."""
    from fastopt.train.compiled import CompiledTraining, training_of

    (opt,) = results(1, lambda comm: adam(comm, np.zeros(3)))
    assert training_of(njit(linear), opt) is CompiledTraining


# ---------------------------------------------------------------- what happens after an epoch


def held_out_on(size, make=adam, **options):
    """Of each rank the optimiser, the history and the average, if any; each holds out other examples."""
    parts = {1: [slice(None)], 2: [slice(0, 3), slice(3, 12)]}[size]

    def script(comm):
        opt, rank = make(comm, np.zeros(3)), comm.Get_rank()
        part, held_out = PARTS.get(size, [slice(None)])[rank], tuple(a[parts[rank]] for a in HELD_OUT)
        hist = fastopt.fit(linear, opt, (X[part], Y[part]), validation=held_out, **options)
        if not opt.rule.evaluates:
            return opt, hist, None
        with opt.swapped():
            return opt, hist, opt.params.copy()

    return results(size, script)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_validation_is_of_all_that_is_held_out(reduction):
    options = {"batch_size": None, "epochs": 4, "reduction": reduction}
    ((_, expected, _),) = held_out_on(1, **options)
    found = held_out_on(2, **options)
    for _, hist, _ in found:
        close(hist.validation, expected.validation)
    assert len({repr(hist.validation) for _, hist, _ in found}) == 1


def test_patience_restores_the_best_parameters_on_all_ranks():
    seen = {}

    def note(epoch, loss, opt):
        seen.setdefault(epoch, set()).add(parameters(opt))

    for opt, hist, _ in held_out_on(2, batch_size=4, epochs=200, patience=3, callback=note):
        best = int(np.argmin(hist.validation))
        assert (hist.stopped, best) == ("patience", len(hist.epoch) - 4)
        assert seen[best] == {parameters(opt)} != seen[len(hist.epoch) - 1]


@pytest.mark.parametrize("asked", [{"ema": 0.8}, {"average": "polyak"}], ids=lambda asked: next(iter(asked)))
def test_validation_is_of_the_average_which_patience_restores(asked):
    def make(comm, params):
        return adam(comm, params, **asked)

    options = {"batch_size": None, "epochs": 30, "patience": 2, "make": make}
    ((one, expected, average),) = held_out_on(1, **options)
    for opt, hist, found in held_out_on(2, **options):
        assert hist.stopped == expected.stopped == "patience"
        close(hist.validation, expected.validation)
        close(opt.params, one.params)
        close(found, average)


def test_a_plateau_goes_by_the_loss_of_all():
    def make(comm, params):
        return adam(comm, params, lr=fastopt.schedules.plateau(0.5, factor=0.5, patience=0))

    rates = []
    found = trained(2, make=make, epochs=30, callback=lambda epoch, loss, opt: rates.append(opt.lr.value))
    assert rates[0::2] == rates[1::2]
    assert rates[-1] < 0.1
    assert parameters(found[0][0]) == parameters(found[1][0])


@pytest.mark.parametrize("who", [0, 1])
def test_one_rank_stops_all(who):
    def script(comm):
        heard, opt = [], adam(comm, np.zeros(3))

        def callback(epoch, loss, opt):
            heard.append((epoch, loss))
            if epoch == 2 and comm.Get_rank() == who:
                raise StopIteration

        part = PARTS[2][comm.Get_rank()]
        hist = fastopt.fit(linear, opt, (X[part], Y[part]), batch_size=4, epochs=9, callback=callback)
        return hist.stopped, opt.t, heard, hist.loss

    one, other = results(2, script)
    assert one == other
    assert one[:2] == ("callback", 3 * 7)
    assert one[2] == list(enumerate(one[3]))


def test_the_first_rank_alone_shows_progress(capsys):
    pytest.importorskip("rich")
    trained(3, progress=True)
    assert capsys.readouterr().out.count("epochs 3/3") == 1
