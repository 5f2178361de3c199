"""Compiled code that looks at tensors in PyTorch's objects, and Python in its place: the same bits."""

import pytest
import torch
from torch_tasks import assert_bits, bits, give_gradients, leaves, ours

import fastopt.torch
from fastopt.torch import objects

pytestmark = pytest.mark.needs("peers", "torch")
OPTIONS = {
    "Adam": ({}, {"amsgrad": True}, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    "NAdam": ({}, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RAdam": ({}, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RMSprop": ({}, {"centered": True}, {"momentum": 0.9}, {"centered": True, "momentum": 0.9}),
    "SGD": ({}, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True}),
}


@pytest.fixture
def in_python(monkeypatch):
    """A function after whose call Python looks."""

    def switch():
        monkeypatch.setattr(objects, "ENABLED", False)
        objects.objects.cache_clear()
        assert objects.objects() is None

    yield switch
    monkeypatch.undo()
    objects.objects.cache_clear()


def test_compiled_code_looks_here():
    """Or all below compares Python with itself."""
    assert objects.objects()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")])
def test_the_first_step_may_be_taken_in_any_mode(mode):
    """What is found out then is not of the mode."""
    known = objects.objects()
    objects.objects.cache_clear()
    with mode():
        found = objects.objects()
    assert found == known


def trained(name, **kwargs):
    """Two groups of two dtypes, gradients that come and go, one that is in no order, an option that changes."""
    first = leaves(dtype=torch.float64) + leaves(dtype=torch.float32, seed=1)
    second = leaves(((2, 3), (0,), (3,)), seed=2)
    optimizer = ours(name)([{"params": first}, {"params": second, "lr": 0.02}], **{"lr": 0.01} | kwargs)
    for k in range(8):
        give_gradients(k, first, second)
        for i, p in enumerate([*first, *second]):
            if (i + k) % 4 == 3:
                p.grad = None
        if k == 5:
            second[0].grad = torch.ones(3, 2, dtype=torch.float64).t()
        if k == 6:
            optimizer.param_groups[0]["lr"] = torch.tensor(0.03)
        optimizer.step()
    return bits(optimizer)


@pytest.mark.parametrize("name", [name for name in fastopt.torch.__all__ if name != "class_of"])
def test_both_ways(name, in_python):
    compiled = [trained(name, **kwargs) for kwargs in OPTIONS.get(name, ({},))]
    in_python()
    assert_bits(compiled, [trained(name, **kwargs) for kwargs in OPTIONS.get(name, ({},))])
