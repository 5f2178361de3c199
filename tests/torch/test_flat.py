"""``flat=True``: parameters and gradients in one buffer of each dtype, and what follows for users."""

import copy
import io
import pickle

import pytest
import torch
from torch.testing import assert_close
from torch_tasks import NAMES, assert_alike, assert_bits, bits, generator, give_gradients, leaves, network, ours, theirs

pytestmark = pytest.mark.needs("peers", "torch")


def in_one_buffer(tensors):
    """Whether they follow each other in one memory."""
    ends = [t.data_ptr() + t.numel() * t.itemsize for t in tensors]
    return all(t.data_ptr() == end for t, end in zip(tensors[1:], ends))


def train(model, optimizer, steps=range(3)):
    for k in steps:
        optimizer.zero_grad()
        model(torch.randn(4, 2, dtype=torch.float64, generator=generator(k))).pow(2).sum().backward()
        optimizer.step()


def flat(name="Adam", **kwargs):
    model = network()
    return model, ours(name)(model.parameters(), flat=True, **kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_as_apart(name):
    (model, optimizer), apart = flat(name), network()
    other = ours(name)(apart.parameters())
    assert in_one_buffer(list(model.parameters()))
    assert in_one_buffer([p.grad for p in model.parameters()])
    assert optimizer.flat
    assert not other.flat
    for one in (model, optimizer), (apart, other):
        train(*one)
    assert_bits(bits(optimizer), bits(other))
    assert in_one_buffer([p.grad for p in model.parameters()])


def test_values_and_gradients_there_are_kept():
    params = [*leaves(), *leaves(dtype=torch.float32)]
    give_gradients(3, params)
    before = [(p.detach().clone(), p.grad.clone()) for p in params]
    ours("Adam")(params, flat=True)
    assert_bits([(p.detach(), p.grad) for p in params], before)
    assert in_one_buffer(params[:3])
    assert in_one_buffer(params[3:])


# --- zero_grad -------------------------------------------------------------------------------------------------------


def test_zero_grad_fills_with_zeros():
    model, optimizer = flat()
    train(model, optimizer, [0])
    views = [p.grad for p in model.parameters()]
    for given in {}, {"set_to_none": False}, {"set_to_none": None}:
        for p in model.parameters():
            p.grad.fill_(3.0)
        optimizer.zero_grad(**given)
        assert all(p.grad is view and not view.any() for p, view in zip(model.parameters(), views))
    with pytest.raises(ValueError, match=r"^set_to_none must be False with flat=True, got True"):
        optimizer.zero_grad(set_to_none=True)


def test_unused_parameters_see_zeros():
    """Where PyTorch's would see None: weight decay shrinks them."""
    a, b = leaves(((3,), (2,)))
    optimizer = ours("SGD")([a, b], lr=0.5, weight_decay=1.0, flat=True)
    before = b.detach().clone()
    optimizer.zero_grad()
    a.sum().backward()
    optimizer.step()
    assert_bits(b.detach(), before * 0.5)


@pytest.mark.parametrize("name", ["Adam", "SGD", "NAdam"])
def test_gradients_that_are_no_views_are_found(name):
    """Replaced by the user, or None after ``model.zero_grad()``: gathered from where they are, or left out."""
    (model, optimizer), apart = flat(name), network()
    other = ours(name)(apart.parameters())
    for k in range(6):
        for net in model, apart:
            if k == 2:
                net.zero_grad()  # PyTorch's own: to None
            if k == 3:
                net[0].weight.grad = None
            if k >= 2:
                net(torch.randn(4, 2, dtype=torch.float64, generator=generator(k))).pow(2).sum().backward()
            else:
                give_gradients(k, list(net.parameters()))
            if k == 4:
                net[2].bias.grad = None
        for opt in optimizer, other:
            opt.step()
        assert_bits(bits(optimizer), bits(other))
        if k == 4:
            optimizer.zero_grad()
            other.zero_grad(set_to_none=False)
            other.param_groups[0]["params"][3].grad = torch.zeros(1, dtype=torch.float64)
    optimizer.zero_grad()
    assert in_one_buffer([p.grad for p in model.parameters()])


def test_frozen_layers():
    """A frozen layer has no gradient, and does not age; thawed, it has its view again."""
    (model, optimizer), apart = flat(), network()
    other = ours("Adam")(apart.parameters())
    for k in range(6):
        for net, opt in (model, optimizer), (apart, other):
            if k in (2, 4):
                net[2].requires_grad_(k == 4)
            train(net, opt, [k])
        assert_bits(bits(optimizer), bits(other))
    assert optimizer.state[model[2].weight]["step"] == 4
    assert in_one_buffer([p.grad for p in model.parameters()])


def test_parameters_frozen_from_the_start():
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.detach().clone()
    train(model, ours("AdamW")(model.parameters(), flat=True))
    assert torch.equal(model[0].weight, before)
    assert model[0].weight.grad is None


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["data", "double", "assigned", "vector"])
def test_moved_storage_is_refused(how):
    model, optimizer = flat()
    train(model, optimizer)
    if how == "data":
        model[2].weight.data = model[2].weight.detach().clone()
    elif how == "double":
        model.float().double()
    elif how == "assigned":
        model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)
    else:
        torch.nn.utils.vector_to_parameters(torch.ones(13, dtype=torch.float64), model.parameters())
    give_gradients(9, list(model.parameters()))
    before = bits(optimizer)
    if how == "assigned":  # the model has other parameters, as with theirs: the optimiser's own are stepped
        optimizer.step()
        return
    with pytest.raises(RuntimeError, match="must stay in the memory that flat=True laid out, got other memory"):
        optimizer.step()
    assert_bits(bits(optimizer), before)


def test_shared_memory_is_refused():
    """With other tensors of the list, or with other processes; nothing is moved."""
    memory = torch.zeros(6, dtype=torch.float64)
    for second in memory[2:], memory[:4], memory[1:5:2]:
        a, b = memory[:4].requires_grad_(), second.requires_grad_()
        places = a.data_ptr(), b.data_ptr()
        with pytest.raises(ValueError, match="must have memory of its own with flat=True, got some of"):
            ours("SGD")([a, b], flat=True)
        assert (a.data_ptr(), b.data_ptr()) == places
    p = torch.zeros(3).share_memory_().requires_grad_()
    with pytest.raises(ValueError, match="must not be shared between processes with flat=True, got shared memory"):
        ours("SGD")([p], flat=True)


@pytest.mark.parametrize("kwargs", [{"lr": -1.0}, {"betas": (1.5, 0.9)}, {"capturable": True}, {"nonsense": 1}])
def test_refused_options_leave_the_model_where_it_was(kwargs):
    model = network()
    places = [p.data_ptr() for p in model.parameters()]
    with pytest.raises((ValueError, TypeError)):
        ours("Adam")(model.parameters(), flat=True, **kwargs)
    assert [p.data_ptr() for p in model.parameters()] == places
    assert all(p.grad is None for p in model.parameters())


def test_models_without_memory_are_refused():
    with torch.device("meta"):
        model = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="must be on the CPU or on a CUDA device with flat=True, got meta"):
        ours("Adam")(model.parameters(), flat=True)


@pytest.mark.parametrize("order", [torch.channels_last, None], ids=["channels_last", "transposed"])
def test_orders_of_memory(order):
    """Values stay where users see them, whatever their order in memory was."""
    t = torch.randn((2, 3, 4, 5), dtype=torch.float64, generator=generator(2))
    lists = [[torch.nn.Parameter(t.to(memory_format=order) if order else t.transpose(0, 3))] for _ in "ab"]
    pair = ours("Adam")(lists[0], flat=True), theirs("Adam")(lists[1], foreach=False)
    for k in range(3):
        give_gradients(k, *lists)
        for optimizer in pair:
            optimizer.step()
    assert_alike(*pair)


def test_tied_weights():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)).double()
    model[1].weight = model[0].weight
    optimizer = ours("SGD")(model.parameters(), lr=0.1, flat=True)
    assert model[1].weight is model[0].weight
    assert len(optimizer.param_groups[0]["params"]) == 3
    model(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert model[0].weight.data_ptr() == model[1].weight.data_ptr()


def test_empty_tensors_and_without_dimensions():
    shapes = ((0,), (3,), (), (2, 0), (2,))
    pair = ours("Adam")(leaves(shapes), flat=True), ours("Adam")(leaves(shapes))
    for k in range(3):
        for optimizer in pair:
            give_gradients(k, optimizer.param_groups[0]["params"])
            optimizer.step()
    assert_bits(*map(bits, pair))


# --- groups, checkpoints and copies ----------------------------------------------------------------------------------


def test_groups_added_later_are_laid_out():
    model, optimizer = flat()
    train(model, optimizer)
    more = leaves(((3,), (2,)), seed=5)
    optimizer.add_param_group({"params": more, "lr": 0.5})
    assert in_one_buffer(more)
    optimizer.zero_grad()
    assert all(p.grad is not None for p in more)
    before = [p.detach().clone() for p in more]
    sum(p.sum() for p in more).backward()
    optimizer.step()
    assert_close([p.detach() for p in more], [p - 0.5 for p in before])  # all but eps


def test_refused_group_leaves_all_as_it_was():
    model, optimizer = flat()
    (p,) = leaves(((4,),))
    with pytest.raises(ValueError, match="must have memory of its own"):
        optimizer.add_param_group({"params": [p, p.detach()[1:].requires_grad_()]})
    assert len(optimizer.param_groups) == 1
    train(model, optimizer)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_of_flat_and_apart(name):
    """Both ways, through a file; a model's file holds its own numbers, and loads into a flat one."""
    (model, optimizer), apart = flat(name), network()
    other = ours(name)(apart.parameters())
    train(model, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())  # which gives NAdam's product the dtype of its parameter
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    assert {k: v.stride() for k, v in saved["model"].items()} == {k: v.stride() for k, v in apart.state_dict().items()}
    apart.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimizer"])
    assert not other.flat
    for one in (model, optimizer), (apart, other):
        train(*one, range(3, 5))
    assert_bits(bits(optimizer), bits(other))
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    apart.load_state_dict(saved["model"])
    other.load_state_dict(copy.deepcopy(saved["optimizer"]))
    for one in (model, optimizer), (apart, other):
        train(*one, range(5, 7))
    assert_bits(bits(optimizer), bits(other))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["copy", "pickle"])
def test_copies_are_laid_out_again(how):
    model, optimizer = flat()
    train(model, optimizer)
    copied, other = how((model, optimizer))
    assert other.flat
    assert in_one_buffer(list(copied.parameters()))
    assert copied[0].weight.data_ptr() != model[0].weight.data_ptr()
    for one in (model, optimizer), (copied, other):
        train(*one, range(3, 6))
    assert_bits(bits(optimizer), bits(other))


def test_shallow_copy_shares_all():
    """As PyTorch's does: parameters, states, and here the buffer."""
    model, optimizer = flat()
    train(model, optimizer)
    other = copy.copy(optimizer)
    assert other.flat
    assert other.state is optimizer.state
    for one in other, optimizer:
        train(model, one, [3])
    assert optimizer.state[model[0].weight]["step"] == 5


def test_whole_model_saved():
    model, optimizer = flat()
    train(model, optimizer)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert_bits([p.detach() for p in loaded.parameters()], [p.detach() for p in model.parameters()])


def test_two_optimisers_of_one_model():
    """Each has its own buffer; the second takes over what it is given of the first, which then says so."""
    model = network()
    first, second = (ours("SGD")(layer.parameters(), flat=True) for layer in (model[0], model[2]))
    for optimizer in first, second:
        optimizer.zero_grad()
    model(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
    for optimizer in first, second:
        optimizer.step()
    ours("SGD")(model.parameters(), flat=True)
    with pytest.raises(RuntimeError, match="must stay in the memory that flat=True laid out"):
        first.step()
