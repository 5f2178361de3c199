"""A hyperparameter that falls where the loss does not: against PyTorch, fed by fit, saved and loaded."""

import copy
import json
import pickle

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt import schedules
from fastopt.schedules import plateau

LOSSES = [5.0, 4.0, 4.0, 4.0, 3.99999, 3.0, 3.1, 3.2, np.nan, 3.3, 3.0, 2.0, *[2.5] * 20]


@pytest.mark.needs("peers")
@pytest.mark.parametrize("settings", [{}, {"patience": 0}, {"cooldown": 3, "factor": 0.5}, {"lowest": 0.2}], ids=str)
def test_as_pytorch_does(torch, settings):
    ours = plateau(1.0, **{"patience": 2} | settings)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    spelt = {"min_lr" if k == "lowest" else k: v for k, v in settings.items()}
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0, **{"patience": 2} | spelt)
    seen = []
    for loss in LOSSES:
        ours.update(loss)
        theirs.step(loss)
        seen.append(ours.value)
        assert ours(7) == ours.value == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert len(set(seen)) > 1


def test_by_hand_it_holds_from_the_next_step_on():
    x, lr = np.zeros(1), plateau(1.0, factor=0.5, patience=0)
    opt = fastopt.SGD(x, lr=lr)
    opt.step(np.array([-1.0]))
    lr.update(1.0)
    lr.update(1.0)
    opt.step(np.array([-1.0]))
    assert x[0] == 1.5
    assert opt.lr is lr


def loss_and_grad(w, g, y):
    g[0] += 0.0 * y[0]  # never falls
    return y.sum()


def loss_of_two(w, g, y):
    g[0][:] = g[1][:] = 0.0
    return y.sum()


@pytest.mark.parametrize("compile_it", [lambda f: f, njit], ids=["python", "compiled"])
def test_fit_feeds_it_once_per_epoch(compile_it):
    """The training loss, or that of the validation; also where several groups share it, or a warm-up holds it."""
    function, y, seen = compile_it(loss_and_grad), np.ones(4), []
    lr = plateau(1.0, factor=0.5, patience=0)

    def callback(epoch, loss, opt):
        seen.append(lr.value)

    opt = fastopt.SGD(np.zeros(1), lr=schedules.warmup(2, lr))
    fastopt.fit(function, opt, y, batch_size=2, epochs=4, callback=callback)
    assert seen == [1.0, 0.5, 0.25, 0.125]
    assert lr.best == 4.0
    lr = plateau(1.0, factor=0.5, patience=0)
    opt = fastopt.SGD([{"params": np.zeros(1)}, {"params": np.zeros(1)}], lr=lr)
    fastopt.fit(loss_of_two, opt, y, batch_size=2, epochs=2, validation=y[:3])
    assert (lr.best, lr.value) == (3.0, 0.5)


def made(value=None):
    return fastopt.SGD(np.zeros(1), lr=schedules.chain((0.1, 2), value or plateau(1.0, factor=0.5, patience=1)))


def test_its_state_is_saved_and_loaded(tmp_path):
    opt = made()
    (lr,) = schedules.plateaus_in(opt.lr)
    for loss in (3.0, 3.0, 3.0, 2.0, 2.5):
        lr.update(loss)
    saved = opt.state_dict()
    assert saved["hyper"]["lr"] == [{"value": 0.5, "best": 2.0, "waited": 1, "resting": 0}]
    json.dumps(saved["hyper"])
    fastopt.save(tmp_path / "run", opt)
    first, second = made(), made()
    fastopt.load(tmp_path / "run", first)
    second.load_state_dict(saved)
    for other in (first, second, copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        (mine,) = schedules.plateaus_in(other.lr)
        assert mine is not lr
        assert mine.state() == lr.state()
        mine.update(2.5)
        assert mine.value == 0.25
    assert lr.value == 0.5


def test_a_plateau_must_be_given_again():
    saved = made().state_dict()
    with pytest.raises(ValueError, match=r"^lr was a plateau when saved and must be given again, got 0.1$"):
        fastopt.SGD(np.zeros(1), lr=0.1).load_state_dict(saved)
    for wrong in ([{}], [{"value": "1", "best": None, "waited": 0, "resting": 0}], [3]):
        opt = made()
        with pytest.raises((TypeError, ValueError), match=r"^d\['hyper'\]\['lr'\]"):
            opt.load_state_dict(saved | {"hyper": saved["hyper"] | {"lr": wrong}})


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"value": "1"}, TypeError, "value must be a number"),
        ({"factor": 1.0}, ValueError, "factor must be less than 1, got 1.0"),
        ({"factor": 0}, ValueError, "factor must be positive"),
        ({"patience": 1.5}, TypeError, "patience must be an integer"),
        ({"patience": -1}, ValueError, "patience must be at least 0"),
        ({"threshold": -1e-4}, ValueError, "threshold must be at least 0"),
        ({"cooldown": -1}, ValueError, "cooldown must be at least 0"),
        ({"lowest": np.nan}, ValueError, "lowest must be finite"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        plateau(**{"value": 1.0} | arguments)
    with pytest.raises(TypeError, match="loss must be a number"):
        plateau(1.0).update(None)
