"""The rules that PyTorch has no class for, in its style: they step as our own optimisers of NumPy arrays do."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from torch_tasks import NAMES, assert_bits, bits, give_gradients, leaves, ours

import fastopt
from fastopt.rules import RULES

pytestmark = pytest.mark.needs("peers", "torch")
OTHERS = [rule.label for rule in RULES if rule.label not in NAMES]


def steps(optimizer, ks):
    params = optimizer.param_groups[0]["params"]
    for k in ks:
        give_gradients(k, params)
        optimizer.step()


def test_every_rule_has_a_class():
    assert set(fastopt.torch.__all__) == {"class_of", *(rule.label for rule in RULES)}
    assert not [name for name in OTHERS if hasattr(torch.optim, name)]
    assert all(ours(name).__module__ == "fastopt.torch" and ours(name).__name__ == name for name in NAMES)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "maximize": True}], ids=["plain", "decayed"])
def test_same_bits_as_with_arrays(name, options):
    params = leaves()
    optimizer = ours(name)(params, **options)
    arrays = [p.detach().numpy().copy() for p in params]
    arrays_too = getattr(fastopt, name)(arrays, **options)
    for k in range(5):
        steps(optimizer, [k])
        arrays_too.step([p.grad.numpy() for p in params])
    for p, array in zip(params, arrays):
        np.testing.assert_array_equal(p.detach().numpy(), array)


@pytest.mark.parametrize("name", OTHERS)
def test_options(name):
    """Numbers by position and by name, checked as everywhere; in groups; ``maximize`` by name alone."""
    takes = inspect.signature(ours(name)).parameters
    assert list(takes)[:2] == ["params", "lr"]
    assert list(takes)[-2:] == ["maximize", "flat"]
    optimizer = ours(name)([{"params": leaves()}, {"params": leaves(((2,),)), "lr": 0.5}], 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]
    for wrong in {"lr": -1.0}, {"lr": float("nan")}, {"weight_decay": -1.0}:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ours(name)(leaves(), **wrong)
    for wrong in {"lr": "x"}, {"nonsense": 1}:
        with pytest.raises(TypeError):
            ours(name)(leaves(), **wrong)


@pytest.mark.parametrize("name", OTHERS)
def test_checkpoints_and_copies(name):
    first = ours(name)(leaves())
    steps(first, range(3))
    second = ours(name)([torch.nn.Parameter(p.detach().clone()) for p in first.param_groups[0]["params"]])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    copies = [first, second, copy.deepcopy(first), pickle.loads(pickle.dumps(first))]
    for optimizer in copies:
        steps(optimizer, range(3, 6))
    for optimizer in copies[1:]:
        assert_bits(bits(optimizer), bits(first))


def coefficients(t, lr, beta):
    return (lr / t, beta)


def update(p, g, m, rate, beta):
    m = beta * m + g
    return p - rate * m, m


def test_own_rule():
    given = {"update": update, "coefficients": coefficients, "state": ("m",), "hyper": {"lr": 0.1, "beta": 0.5}}
    rule = fastopt.Rule(name="mine", **given)
    make = fastopt.torch.class_of(rule)
    assert make is fastopt.torch.class_of(rule)
    optimizer = make(leaves(((3,),)), lr=0.5)
    expected, m = optimizer.param_groups[0]["params"][0].detach().clone(), 0.0
    for k in range(3):
        steps(optimizer, [k])
        m = 0.5 * m + optimizer.param_groups[0]["params"][0].grad
        expected -= 0.5 / (k + 1) * m
    torch.testing.assert_close(optimizer.param_groups[0]["params"][0].detach(), expected)
    assert optimizer.state[optimizer.param_groups[0]["params"][0]].keys() == {"step", "m"}
    assert_bits(bits(copy.deepcopy(optimizer)), bits(optimizer))
    wrong = fastopt.Rule(name="wrong", **given | {"state": ("step",)})
    with pytest.raises(ValueError, match=r"^state of wrong must not have the name step"):
        steps(fastopt.torch.class_of(wrong)(leaves()), [0])
