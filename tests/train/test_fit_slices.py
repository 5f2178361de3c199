"""Compiled epochs in slices: schedules asked once a step, changes between epochs, and slices cut anywhere."""

import numpy as np
import pytest
from refusals import contents
from test_fit_compiled import HALF, MEAN, N, X, Y, adam, both, linear  # noqa: F401

from fastopt import fit
from fastopt.kernels import slices

each_path = pytest.mark.parametrize("loss", [linear, linear.py_func], ids=["compiled", "interpreted"])


class Asked:
    """A schedule with so many values that remembers for which steps it was asked, and raises of some."""

    def __init__(self, steps, fails=None):
        self.values, self.steps, self.fails = [0.1 / (1 + k) for k in range(steps)], [], fails

    def __call__(self, step):
        self.steps.append(step)
        if step == self.fails:
            raise RuntimeError("its own")
        return self.values[step]


@each_path
def test_a_schedule_is_asked_once_for_each_step(loss):
    lr = Asked(15)
    opt = adam(lr=lr)()
    fit(loss, opt, (X, Y), batch_size=5, epochs=3)
    assert lr.steps == list(range(opt.t)) == list(range(15))


@each_path
def test_also_where_steps_are_skipped(loss):
    """A NaN in an example that is neither the first nor in the last batch."""
    order = np.random.default_rng((0, 0)).permutation(N)
    data = X.copy()
    data[order[7]] = np.nan
    lr = Asked(4)
    opt = adam(lr=lr, check_finite="skip")()
    fit(loss, opt, (data, Y), batch_size=5, epochs=1)
    assert (opt.t, opt.skipped) == (4, 1)
    assert lr.steps == list(range(4))


@each_path
def test_what_a_schedule_raises_comes_once_and_after_the_steps_before(loss):
    lr = Asked(15, fails=3)
    opt = adam(lr=lr)()
    with pytest.raises(RuntimeError, match=r"^its own$"):
        fit(loss, opt, (X, Y), batch_size=1, epochs=1)
    assert opt.t == 3
    assert lr.steps == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [{}, MEAN, {"accumulate": 100}], ids=str)
@pytest.mark.parametrize("lr", [0.1, HALF], ids=str)
def test_the_same_bits_however_slices_are_cut(monkeypatch, options, lr):
    outcomes, enter = [], slices.ticking.__enter__
    for cut in (enter, lambda self: (enter(self)[0], 0)):  # as is; after every batch
        monkeypatch.setattr(slices.ticking, "__enter__", cut)
        opt = adam(lr=lr)()
        history = fit(linear, opt, (X, Y), batch_size=2, epochs=3, **options)
        outcomes.append((history.loss, contents(opt)))
    assert outcomes[0] == outcomes[1]


CHANGES = [
    {"weight_decay": 0.1},
    {"weight_decay": 0.0, "clip_norm": 4.0},
    {"clip_norm": None, "check_finite": True},
    {"check_finite": False, "clip_value": 0.5},
    {"clip_value": None, "lr": HALF, "betas": (lambda k: 0.9 - 0.01 * k, 0.99)},
    {"lr": 0.05, "betas": (0.8, 0.9)},
    {"maximize": True},
    {"maximize": False, "weight_decay": HALF},
]


def change(epoch, loss, opt):
    for name, value in CHANGES[epoch % len(CHANGES)].items():
        setattr(opt, name, value)


def test_a_callback_may_change_anything(both):  # noqa: F811
    both(linear, adam(), callback=change, epochs=len(CHANGES) + 2)


def test_a_callback_may_change_groups(both):  # noqa: F811
    from test_fit_compiled import W, b, indexed

    def of_one_group(epoch, loss, opt):
        opt.groups[epoch % 2].weight_decay = 0.1 * (epoch + 1)

    both(indexed, adam(lambda: [{"params": W(float)}, {"params": b(float)}]), callback=of_one_group, epochs=4)
