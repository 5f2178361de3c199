"""Swapped in the middle: theirs, then ours, then theirs again goes the way of theirs alone."""

import copy

import pytest
import torch
from torch.testing import assert_close
from torch_tasks import NAMES, generator, ours, theirs

pytestmark = pytest.mark.needs("peers", "torch")

# Rates with which the rule still moves after 300 steps, and not from one side of the minimum to the other.
OPTIONS = {
    "ASGD": {"lr": 2e-3, "lambd": 0.1, "t0": 50},
    "Adadelta": {"lr": 1.0},
    "Adagrad": {"lr": 0.05},
    "Adam": {"lr": 2e-3, "amsgrad": True},
    "AdamW": {"lr": 2e-3},
    "Adamax": {"lr": 2e-3},
    "NAdam": {"lr": 2e-3},
    "RAdam": {"lr": 2e-3},
    "RMSprop": {"lr": 1e-3, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 1e-2, "step_sizes": (1e-4, 0.1)},
    "SGD": {"lr": 1e-2, "momentum": 0.9, "nesterov": True},
}
X = torch.randn(60, 6, generator=generator(1))
Y = X @ torch.randn(6, 2, generator=generator(2)) + 0.5


def start():
    model = torch.nn.Linear(6, 2)
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(torch.randn(p.shape, generator=generator(10 + k)) + 3.0)
    return model


def train(model, optimizer, steps=100):
    for k in range(steps):
        batch = slice(3 * (k % 20), 3 * (k % 20) + 3)  # gradients that vary, so that their variance is no rounding
        optimizer.zero_grad()
        ((model(X[batch]) - Y[batch]) ** 2).mean().backward()
        optimizer.step()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flat", [False, True], ids=["apart", "flat"])
def test_swapped_twice(name, flat):
    """Each loads the state_dict of the one before, by way of a copy, as from a file."""
    alone, swapped, kwargs = start(), start(), OPTIONS[name]
    train(alone, theirs(name)(alone.parameters(), **kwargs, foreach=False), 300)
    before = None
    for make, options in (theirs, {}), (ours, {"flat": flat}), (theirs, {}):
        optimizer = make(name)(swapped.parameters(), **kwargs, **options)
        if before is not None:
            optimizer.load_state_dict(copy.deepcopy(before.state_dict()))
        train(swapped, optimizer)
        before = optimizer
    for p, q in zip(swapped.parameters(), alone.parameters()):
        assert_close(p, q, rtol=1e-6, atol=0.0)
    state = before.state[swapped.weight]
    assert "step" not in state or state["step"] == 300
    assert not torch.equal(alone.weight, start().weight)
