"""Checkpoints of all kinds: old ones, named ones, saved ones, and copies of whole optimisers."""

import copy
import io
import pickle

import pytest
import torch
from torch_tasks import (
    NAMES,
    SHAPES,
    assert_alike,
    assert_bits,
    bits,
    configurations,
    database,
    give_gradients,
    leaves,
    ours,
    states_of,
    theirs,
    twins,
)

pytestmark = pytest.mark.needs("peers", "torch", "expecttest")


def step(k, *optimizers):
    for optimizer in optimizers:
        give_gradients(k, [p for group in optimizer.param_groups for p in group["params"]])
        optimizer.step()


def stepped(make, params, steps=3, **kwargs):
    optimizer = make(params, **kwargs)
    for k in range(steps):
        step(k, optimizer)
    return optimizer


def named(params, names):
    return [(f"name{i}", p) for i, p in enumerate(params)] if names else params


def plain(state_dict):
    state_dict = copy.deepcopy(state_dict)
    for group in state_dict["param_groups"]:
        group.pop("param_names", None)
    return state_dict


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [(False, False), (True, False), (False, True), (True, True)], ids=str)
def test_copy_goes_on_alike(name, names):
    """What is loaded goes on as what was saved, to the bit, and gives the same state_dict."""
    for kwargs in configurations(name):
        params = leaves()
        first = stepped(ours(name), named(params, names[0]), 4, **kwargs)
        first.load_state_dict(first.state_dict())  # which gives NAdam's product the dtype of its parameter
        others = [torch.nn.Parameter(p.detach().clone()) for p in params]
        second = ours(name)(named(others, names[1]), **kwargs)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        for k in range(4, 8):
            step(k, first, second)
            assert_bits(bits(first), bits(second))
        assert_bits(plain(first.state_dict()), plain(second.state_dict()))
        second.param_groups.extend(second.param_groups)  # repeated parameters have the same number
        assert_bits(plain(first.state_dict())["param_groups"][-1], plain(second.state_dict())["param_groups"][-1])


@pytest.mark.parametrize("name", NAMES)
def test_older_state_dicts(name):
    """Flags that a checkpoint of an older PyTorch does not have get PyTorch's defaults."""
    for kwargs in configurations(name):
        mine, reference = (stepped(make(name), leaves(), 3, **kwargs) for make in (ours, theirs))
        for optimizer in mine, reference:
            old = copy.deepcopy(optimizer.state_dict())
            for group in old["param_groups"]:
                for flag in database()[name].not_og_supported_flags:
                    group.pop(flag, None)
            optimizer.load_state_dict(old)
        for k in range(3, 6):
            step(k, mine, reference)
        assert_alike(mine, reference)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [(True, False), (False, True)], ids=str)
def test_named_and_not(name, names):
    """Names survive if one of the two has them."""
    params = leaves()
    first = stepped(ours(name), named(params, names[0]))
    second = ours(name)(named(params, names[1]))
    second.load_state_dict(first.state_dict())
    step(3, second)
    assert second.state_dict()["param_groups"][0]["param_names"] == [f"name{i}" for i in range(len(SHAPES))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [False, True], ids=["plain", "named"])
def test_saved_and_loaded(name, names):
    for kwargs in configurations(name):
        optimizer = stepped(ours(name), named(leaves(), names), **kwargs)
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        for weights_only in False, True:
            file.seek(0)
            loaded, wanted = torch.load(file, weights_only=weights_only), optimizer.state_dict()
            assert_bits(plain(loaded), plain(wanted))
            assert loaded["param_groups"][0].get("param_names") == wanted["param_groups"][0].get("param_names")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [float, int, torch.tensor], ids=["float", "int", "int64"])
def test_step_as_a_number(name, kind):
    """As PyTorch once saved it."""
    mine, reference = (stepped(make(name), leaves(), 3) for make in (ours, theirs))
    for optimizer in mine, reference:
        old = copy.deepcopy(optimizer.state_dict())
        for state in old["state"].values():
            if "step" in state and (optimizer is mine or kind is not torch.tensor):  # theirs stays int64
                state["step"] = kind(int(state["step"]))
        optimizer.load_state_dict(old)
    step(3, mine, reference)
    step(4, mine, reference)
    assert_alike(mine, reference)


@pytest.mark.parametrize("when", ["loaded", "set"])
def test_momentum_that_is_none(when):
    """As checkpoints of older versions have it: its first step makes it, undamped."""
    pair = [make("SGD")(params, momentum=0.9, dampening=0.5) for make, params in zip((ours, theirs), twins())]
    for optimizer in pair:
        step(0, optimizer)
        state = optimizer.state_dict()["state"]
        for k in (0, 2):
            state[k]["momentum_buffer"] = None  # in the optimiser's own state, too
        if when == "loaded":
            optimizer.load_state_dict({**optimizer.state_dict(), "state": copy.deepcopy(state)})
        for k in range(1, 4):
            step(k, optimizer)
    assert_alike(*pair)


@pytest.mark.parametrize("name", NAMES)
def test_step_has_pytorchs_dtype(name):
    before = torch.get_default_dtype()
    for default in torch.float32, torch.float64:
        torch.set_default_dtype(default)
        try:
            mine, reference = (stepped(make(name), leaves(), 2) for make in (ours, theirs))
            for state, wanted in zip(states_of(mine), states_of(reference)):
                assert {k: v.dtype for k, v in state.items()} == {k: v.dtype for k, v in wanted.items()}
            assert_alike(mine, reference)
        finally:
            torch.set_default_dtype(before)


@pytest.mark.parametrize("name", NAMES)
def test_copies(name):
    """deepcopy and pickle go on as the original, with parameters of their own."""
    model = torch.nn.ParameterList(leaves())
    optimizer = stepped(ours(name), model.parameters())
    optimizer.note = "mine"
    for copied in copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer)):
        assert type(copied) is type(optimizer)
        assert public(copied) >= public(optimizer) - {"note"}  # as PyTorch's __getstate__ has it
        assert copied.param_groups[0]["params"][0] is not optimizer.param_groups[0]["params"][0]
        assert_bits(bits(copied), bits(optimizer))
        other = copy.deepcopy(optimizer)
        step(7, copied, other)
        assert_bits(bits(copied), bits(other))


@pytest.mark.parametrize("name", NAMES)
def test_public_attributes_of_copies_are_pytorchs(name):
    mine, reference = (stepped(make(name), leaves()) for make in (ours, theirs))
    assert public(copy.deepcopy(mine)) - {"flat"} == public(copy.deepcopy(reference))
    assert public(copy.deepcopy(mine)) == public(mine)


def public(optimizer):
    return {key for key in vars(optimizer) if not key.startswith("_")}


@pytest.mark.parametrize("name", NAMES)
def test_copy_of_model_and_optimizer_together(name):
    """As who keeps the best of several runs does: the copy steps the copied model."""
    model = torch.nn.ParameterList(leaves())
    pair = copy.deepcopy((model, stepped(ours(name), model.parameters())))
    before = copy.deepcopy(list(pair[0].parameters()))
    step(3, pair[1])
    assert pair[1].param_groups[0]["params"][0] is pair[0][0]
    assert not torch.equal(before[0], pair[0][0])


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_in_the_middle_of_a_run(name):
    """Loading back takes the state back, also what a number of steps was counted by: bias correction, first step."""
    mine, reference = (make(name)(params) for make, params in zip((ours, theirs), twins()))
    for optimizer in mine, reference:
        saved = [p.detach().clone() for p in optimizer.param_groups[0]["params"]], copy.deepcopy(optimizer.state_dict())
        for k in range(5):
            step(k, optimizer)
        for p, value in zip(optimizer.param_groups[0]["params"], saved[0]):
            p.data.copy_(value)
        optimizer.load_state_dict(saved[1])
        for k in range(3):
            step(k, optimizer)
    assert_alike(mine, reference)


@pytest.mark.parametrize("count", [float("nan"), -1.0, 1.5, float("inf")])
def test_a_step_that_is_no_count_is_refused(count):
    p = torch.ones(2, requires_grad=True)
    opt = ours("Adam")([p])
    p.grad = torch.ones(2)
    opt.step()
    opt.state[p]["step"].fill_(count)
    before = p.detach().clone(), opt.state[p]["exp_avg"].clone()
    with pytest.raises(RuntimeError, match=r"'step' of .* must be a whole number from 0, got"):
        opt.step()
    assert torch.equal(p, before[0])
    assert torch.equal(opt.state[p]["exp_avg"], before[1])


def test_the_checkpoint_of_another_optimiser_lacks_options():
    """As PyTorch's says."""
    p = torch.ones(2, requires_grad=True)
    p.grad = torch.ones(2)
    saved = torch.optim.Adam([p]).state_dict()
    for made in (theirs, ours):
        opt = made("SGD")([p])
        opt.load_state_dict(saved)
        with pytest.raises(KeyError, match="momentum"):
            opt.step()
    assert torch.equal(p, torch.ones(2))
