"""Hooks of steps, of state_dict and of load_state_dict, of one optimiser or of all."""

import copy

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch_tasks import NAMES, ours

pytestmark = pytest.mark.needs("peers", "torch")


def made(name):
    return ours(name)([torch.ones(2, dtype=torch.float64, requires_grad=True)])


@pytest.mark.parametrize("name", NAMES)
def test_hooks_of_steps(name):
    """Called with the optimiser and the arguments of ``step``, until they are removed."""
    optimizer, calls = made(name), []
    handles = [
        optimizer.register_step_pre_hook(lambda *given: calls.append(("pre", *given))),
        optimizer.register_step_post_hook(lambda *given: calls.append(("post", *given))),
    ]
    optimizer.step()
    assert [(when, opt, kwargs) for when, opt, _, kwargs in calls] == [("pre", optimizer, {}), ("post", optimizer, {})]
    assert optimizer.step(lambda: 3.0) == 3.0
    assert len(calls) == 4
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 4


@pytest.mark.parametrize("kind", ["pre", "post", "pre of all", "post of all"])
def test_each_hook_alone(kind):
    optimizer, calls = made("SGD"), []
    register = {
        "pre": optimizer.register_step_pre_hook,
        "post": optimizer.register_step_post_hook,
        "pre of all": register_optimizer_step_pre_hook,
        "post of all": register_optimizer_step_post_hook,
    }[kind]
    handle = register(lambda *given: calls.append(given[0]))
    try:
        optimizer.step()
    finally:
        handle.remove()
    optimizer.step()
    assert calls == [optimizer]


def test_hook_sees_the_step_from_its_side():
    """Before it is taken, and after."""
    optimizer, seen = made("SGD"), []
    (p,) = optimizer.param_groups[0]["params"]
    p.grad = torch.ones_like(p)
    optimizer.register_step_pre_hook(lambda *given: seen.append(p[0].item()))
    optimizer.register_step_post_hook(lambda *given: seen.append(p[0].item()))
    optimizer.step()
    assert seen == [1.0, 0.999]


def test_hook_may_change_gradients_and_arguments():
    optimizer = made("SGD")
    (p,) = optimizer.param_groups[0]["params"]
    p.grad = torch.ones_like(p)

    def doubles(*given):
        p.grad.mul_(2.0)

    optimizer.register_step_pre_hook(doubles)
    optimizer.register_step_pre_hook(lambda *given: ((optimizer, lambda: 5.0), {}))
    assert optimizer.step() == 5.0
    assert p.tolist() == [0.998, 0.998]


@pytest.mark.parametrize("name", NAMES)
def test_order_of_hooks(name):
    data = []
    handles = [
        register_optimizer_step_pre_hook(lambda *given: data.append(0)),
        register_optimizer_step_post_hook(lambda *given: data.append(5)),
    ]
    try:
        optimizer, other = made(name), torch.optim.SGD([torch.ones(2)])
        for one in optimizer, other:
            handles.append(one.register_step_pre_hook(lambda *given: data.append(1)))
            handles.append(one.register_step_post_hook(lambda *given: data.append(2)))
        for one in optimizer, other, optimizer:
            one.step()
        assert data == [0, 1, 2, 5] * 3
    finally:
        for handle in handles:
            handle.remove()
    optimizer.step()
    other.step()
    assert len(data) == 12


@pytest.mark.parametrize("name", NAMES)
def test_hooks_of_state_dicts(name):
    optimizer = made(name)

    def before(opt):
        opt.state["test"] = 1

    def after(opt, state_dict):
        state_dict["there"] = state_dict["state"].pop("test", None) is not None
        return state_dict

    late = optimizer.register_state_dict_post_hook(after)
    assert not optimizer.state_dict()["there"]
    late.remove()
    optimizer.register_state_dict_pre_hook(before)
    assert optimizer.state_dict()["state"]["test"] == 1
    optimizer.register_state_dict_post_hook(after)
    assert optimizer.state_dict()["there"]
    optimizer.step()  # with something in the state that belongs to no parameter


@pytest.mark.parametrize("name", NAMES)
def test_hooks_of_loading(name):
    optimizer, seen = made(name), []

    def sets_two(opt, state_dict):
        state_dict["param_groups"][0]["lr"] = 0.002

    def replaces_by_three(opt, state_dict):
        state_dict = copy.deepcopy(state_dict)
        state_dict["param_groups"][0]["lr"] = 0.003
        return state_dict

    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append(opt.param_groups[0]["lr"]))
    optimizer.load_state_dict(optimizer.state_dict())
    first = optimizer.register_load_state_dict_pre_hook(replaces_by_three)
    optimizer.load_state_dict(optimizer.state_dict())
    first.remove()
    optimizer.register_load_state_dict_pre_hook(sets_two)
    optimizer.register_load_state_dict_pre_hook(replaces_by_three, prepend=True)
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen[1:] == [0.003, 0.002]
    assert seen[0] == optimizer.defaults["lr"]
