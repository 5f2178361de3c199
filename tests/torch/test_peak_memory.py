"""A step after the first allocates nothing as large as a tensor: its peak is not above that of PyTorch's loop."""

import gc
import weakref

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch_tasks import NAMES, give_gradients, leaves, ours, theirs

pytestmark = pytest.mark.needs("peers", "torch")
SIZE = 4096


def largest(optimizer, params, steps):
    """The largest allocation of the last of some steps, in bytes."""
    for p in params:
        p.grad = torch.ones_like(p)
    for _ in range(steps - 1):
        optimizer.step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        optimizer.step()
    found = [event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(found, default=0)


@pytest.mark.parametrize("name", NAMES)
def test_peak_is_not_above_theirs(name):
    params, others = leaves(((SIZE,), (3,))), leaves(((SIZE,), (3,)))
    mine = largest(ours(name)(params), params, 3)
    assert mine < SIZE  # bytes: an eighth of the large tensor
    reference = largest(theirs(name)(others, foreach=False), others, 3)
    assert reference >= 8 * SIZE or name in ("SGD", "ASGD")  # so that this counts
    assert mine <= reference


def test_first_step_is_seen():
    """Where the state is made."""
    params = leaves(((SIZE,),))
    assert largest(ours("Adam")(params), params, 1) == 8 * SIZE


def test_copies_of_what_is_in_no_order_are_seen():
    """The one copy that a step may make: of a gradient that lies otherwise than its parameter."""
    params = leaves(((64, 64),))
    optimizer = ours("Adam")(params)
    largest(optimizer, params, 2)
    params[0].grad = torch.ones_like(params[0]).t()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        optimizer.step()
    sizes = [event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert sizes.count(8 * 64 * 64) == 1


@pytest.mark.parametrize("order", ["plain", "transposed"])
def test_gradients_are_let_go(order):
    """After ``zero_grad`` nothing holds them, nor what was copied."""
    params = leaves(((4, 4),))
    optimizer = ours("Adam")(params)
    for _ in range(2):
        params[0].grad = torch.ones_like(params[0]) if order == "plain" else torch.ones_like(params[0]).t()
        freed = weakref.ref(params[0].grad)
        optimizer.step()
        optimizer.zero_grad()
        assert freed() is None


def test_optimisers_are_let_go():
    """By counting alone: no circle holds the model."""
    params = leaves()
    optimizer = ours("Adam")(params)
    give_gradients(0, params)
    optimizer.step()
    freed = weakref.ref(params[0])
    gc.disable()
    try:
        del params, optimizer
        assert freed() is None
    finally:
        gc.enable()
