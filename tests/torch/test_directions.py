"""Every configuration goes where it should: down, up with ``maximize``, nowhere without a gradient."""

import copy

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.testing import assert_close
from torch_tasks import NAMES, assert_bits, configurations, database, generator, leaves, ours

pytestmark = pytest.mark.needs("peers", "torch", "expecttest")
X = torch.randn(5, dtype=torch.float64, generator=generator(5))


def line(contiguous=True):
    """Weight and bias of a line; or those as every second element of twice the memory."""
    if contiguous:
        return leaves(((10, 5), (10,)))
    wide = leaves(((10, 5, 2), (10, 2)))
    return [torch.nn.Parameter(p.detach()[..., 0]) for p in wide]


def loss_of(params):
    weight, bias = params
    return (weight.mv(X) + bias).pow(2).sum()


def train(params, optimizer, steps=20, schedulers=()):
    """The loss before and after."""
    first = loss_of(params).item()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step(*[loss.item()] * isinstance(scheduler, ReduceLROnPlateau))
    return first, loss_of(params).item()


def went_right(before, after, kwargs):
    return after > before if kwargs.get("maximize") else after < before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("contiguous", [True, False])
def test_goes_the_right_way(name, contiguous):
    for constructors in ((), *database()[name].scheduler_inputs):
        for kwargs in configurations(name):
            params = line(contiguous)
            assert params[0].is_contiguous() is contiguous
            optimizer = ours(name)(params, **kwargs)
            schedulers = [constructor(optimizer) for constructor in constructors]
            assert went_right(*train(params, optimizer, schedulers=schedulers), kwargs), kwargs


@pytest.mark.parametrize("name", NAMES)
def test_strided_parameters_step_as_others_do(name):
    params, apart = line(), line(contiguous=False)
    for p, q in zip(params, apart):
        q.data.copy_(p.data)
    for some in params, apart:
        train(some, ours(name)(some), 3)
    assert_bits(params, [q.detach().contiguous().requires_grad_() for q in apart])


@pytest.mark.parametrize("name", NAMES)
def test_groups_with_a_scheduler(name):
    for constructors in database()[name].scheduler_inputs:
        weight, bias = params = line()
        optimizer = ours(name)([{"params": [weight]}, {"params": [bias], "lr": 0.01}])
        schedulers = [constructor(optimizer) for constructor in constructors]
        assert went_right(*train(params, optimizer, schedulers=schedulers), {})


@pytest.mark.parametrize("name", NAMES)
def test_rate_as_a_tensor(name):
    """Of one element, on the CPU; filled anew by schedulers, it is read in each step."""
    for kwargs in configurations(name):
        params, others = line(), line()
        rate = torch.tensor(1e-3, dtype=torch.float64)
        for some, lr in (params, rate), (others, 1e-3):
            optimizer = ours(name)(some, **{**kwargs, "lr": lr, "foreach": False})
            for k in range(4):
                optimizer.param_groups[0]["lr"] *= k + 1
                train(some, optimizer, 1)
        assert rate.item() == pytest.approx(24e-3)  # multiplied where it is
        assert_bits(params, others)


@pytest.mark.parametrize("name", NAMES)
def test_groups(name):
    """Each has its own options: without decay in one, almost without a rate in another."""
    for kwargs in configurations(name):
        weight, bias = params = line()
        (still,) = leaves(((2,),), seed=3)
        start = still.detach().clone()
        still.grad = torch.ones_like(still)
        groups = [
            {"params": [weight], **copy.deepcopy(kwargs)},
            {"params": [bias], **copy.deepcopy(kwargs), "weight_decay": 0.0},
            {"params": [still], "lr": 1e-28},
        ]
        for group in groups[:2]:
            if group.get("lr", 0) == 0:
                group["lr"] = 1e-3
        optimizer = ours(name)(groups, lr=1e-3)
        optimizer.param_groups[2]["params"][0].grad = torch.ones_like(still)
        assert went_right(*train(params, optimizer), kwargs), kwargs
        assert_close(still.detach(), start, rtol=0.0, atol=1e-25)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_without_gradients(name):
    for kwargs in configurations(name, flags=True):
        params = [torch.randn(2, 3, dtype=torch.float64, generator=generator(k)) for k in range(2)]
        before = copy.deepcopy(params)
        optimizer = ours(name)(params, **kwargs)
        assert optimizer.step(lambda: torch.tensor([1.0])) == torch.tensor([1.0])
        assert_bits(params, before)
        assert not optimizer.state or name == "Adagrad"  # which makes its state at once


@pytest.mark.parametrize("name", NAMES)
def test_nothing_for_zero_gradients(name):
    for kwargs in configurations(name, flags=True):
        decays = kwargs.get("weight_decay", 0.01 if name == "AdamW" else 0.0) or name == "ASGD"
        (p,) = leaves(((5, 1),))
        before = p.detach().clone()
        p.grad = torch.zeros_like(p)
        optimizer = ours(name)([p], **kwargs)
        optimizer.step(lambda: torch.tensor([1.0]))
        assert torch.equal(p, before) is not bool(decays), kwargs


@pytest.mark.parametrize("name", NAMES)
def test_printing(name):
    optimizer = ours(name)([{"params": leaves(), "lr": 0.5}, {"params": leaves(), "lr": torch.tensor(0.25)}])
    text = repr(optimizer)
    assert text.startswith(f"{name} (\nParameter Group 0\n")
    assert "    lr: 0.5\n" in text
    assert "    lr: 0.25" in text


@pytest.mark.parametrize("name", NAMES)
def test_state_is_there(name):
    for kwargs in configurations(name):
        params = line()
        optimizer = ours(name)(params, **kwargs)
        train(params, optimizer, 1)
        assert all(len(state) for state in optimizer.state.values())
        assert len(optimizer.state) == 2 or (name == "SGD" and not kwargs.get("momentum"))
