"""float32 gradients near the end of the range: what a rule's documentation says of them."""

import numpy as np
import pytest

import fastopt

MOVES_UNTIL = {  # the first square that the average cannot hold, as the rules' texts say
    "Adam": 5.8e20,
    "AdamW": 5.8e20,
    "AMSGrad": 5.8e20,
    "NAdam": 5.8e20,
    "RMSprop": 1.8e20,
    "Adadelta": 9e15,
    "Adagrad": 1.8e19,
}


def moved(label, size, dtype, steps):
    """How far a parameter is from its start after some steps with gradients of this size."""
    p = np.zeros(33, dtype)
    opt = getattr(fastopt, label)(p)
    for _ in range(steps):
        opt.step(np.full(33, size, dtype))
    return p


@pytest.mark.parametrize("label", MOVES_UNTIL)
def test_parameters_move_until_where_the_documentation_says(label):
    until = MOVES_UNTIL[label]
    text = " ".join(getattr(fastopt, label).__doc__.split())
    assert f"{until:.1e}".replace("e+", "e").replace(".0e", "e") in text
    for size, steps in ((until * 0.95, 1), (min(until, 1.8e19) * 0.95, 1 if label == "Adagrad" else 200)):
        assert np.allclose(moved(label, size, "f4", steps), moved(label, size, "f8", steps), rtol=1e-3)
    assert (moved(label, until * (20 if label == "Adadelta" else 1.05), "f4", 3) == 0.0).all()


def test_radam_begins_with_steps_that_need_no_square():
    for size in (2e19, 1e25, 1e30):
        assert np.allclose(moved("RAdam", size, "f4", 5), moved("RAdam", size, "f8", 5), rtol=1e-5)
        assert np.isfinite(moved("RAdam", size, "f4", 50)).all()


@pytest.mark.needs("peers")
@pytest.mark.parametrize("label", ["Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax"])
def test_where_pytorch_moves_so_do_we(label):
    import torch

    for size in (1e18, 1e19, 3e19, 1.7e20, 3e20, 5.5e20, 1e22):
        p, q = np.zeros(33, "f4"), torch.zeros(33)
        ours, theirs = getattr(fastopt, label)(p, lr=1e-3), getattr(torch.optim, label)([q], lr=1e-3)
        for k in range(8):
            g = np.full(33, size * (1 - 0.05 * k), "f4")
            ours.step(g)
            q.grad = torch.from_numpy(g)
            theirs.step()
        assert np.isfinite(p).all()
        assert np.allclose(p, q.numpy(), rtol=1e-4) or (label == "NAdam" and (q.numpy() == 0.0).all())


def test_the_figures_are_those_of_the_defaults():
    """Largest float32 over what the square is multiplied by."""
    largest = float(np.finfo("f4").max)
    assert MOVES_UNTIL["Adam"] == pytest.approx((largest / 0.001) ** 0.5, rel=0.01)
    assert MOVES_UNTIL["RMSprop"] == pytest.approx((largest / 0.01) ** 0.5, rel=0.03)
    assert MOVES_UNTIL["Adagrad"] == pytest.approx(largest**0.5, rel=0.03)
    assert MOVES_UNTIL["Adadelta"] == pytest.approx((1e-6 / float(np.finfo("f4").tiny)) ** 0.5, rel=0.03)
