"""What users change between two steps is seen by the next: states, groups, parameters, gradients, their memory."""

import pytest
import torch
from torch_tasks import NAMES, assert_alike, assert_bits, bits, give_gradients, leaves, ours, theirs, twins

pytestmark = pytest.mark.needs("peers", "torch")
FEW = ("Adam", "SGD", "NAdam", "RMSprop")


def params_of(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def both(name, change, *, before=2, after=2, shapes=((4, 3), (5,)), **kwargs):
    """Steps of ours and of theirs, before and after something is changed."""
    pair = [make(name)(params, **kwargs) for make, params in zip((ours, theirs), twins(shapes))]
    for steps in range(before), range(before, before + after):
        for k in steps:
            for optimizer in pair:
                give_gradients(k, params_of(optimizer))
                optimizer.step()
        if steps.start == 0:
            for optimizer in pair:
                change(optimizer)
    assert_alike(*pair)
    return pair


def clear_one(optimizer):
    optimizer.state[params_of(optimizer)[0]] = {}


def delete_one(optimizer):
    optimizer.state.pop(params_of(optimizer)[1], None)


def clear_all(optimizer):
    optimizer.state.clear()


def another_dictionary(optimizer):
    optimizer.state = type(optimizer.state)(dict, {p: dict(s) for p, s in optimizer.state.items()})


def other_tensors(optimizer):
    for state in optimizer.state.values():
        for key, value in state.items():
            state[key] = value.clone() * (1.0 if key == "step" else 0.5)


def transposed_state(optimizer):
    for state in optimizer.state.values():
        for key, value in state.items():
            if value.dim() == 2:
                state[key] = value.t().contiguous().t()


def zeros_in_place(optimizer):
    for state in optimizer.state.values():
        for value in state.values():
            value.zero_()


def other_options(optimizer):
    optimizer.param_groups[0].update(lr=0.2, weight_decay=0.1, maximize=True)


def other_direction(optimizer):
    optimizer.param_groups[0]["maximize"] = True


def other_values(optimizer):
    for p in params_of(optimizer):
        p.data = torch.ones_like(p)


def values_in_place(optimizer):
    with torch.no_grad():
        for p in params_of(optimizer):
            p.mul_(0.5)


def other_variant(optimizer):
    """Whose state has other names: what is missing is made."""
    group = optimizer.param_groups[0]
    group["momentum"] = 0.0 if group.get("momentum") else 0.5


def another_group(optimizer):
    optimizer.add_param_group({"params": leaves(((3,),), seed=5), "lr": 0.01})


def one_less(optimizer):
    optimizer.param_groups[0]["params"].pop()


def other_order(optimizer):
    optimizer.param_groups[0]["params"].reverse()


def new_parameters(optimizer):
    optimizer.param_groups[0]["params"] = leaves(((4, 3), (5,), (2,)), seed=8)


def more_points(optimizer):
    """As Gaussian splatting does when it splits and prunes points."""
    group = optimizer.param_groups[0]
    old = group["params"][0]
    stored = optimizer.state.pop(old, None)
    rows = torch.tensor([0, 2, 3, 3, 1, 0])
    new = torch.nn.Parameter(old.detach()[rows])
    group["params"][0] = new
    if stored is not None:
        for key, value in stored.items():
            if value.dim():
                stored[key] = torch.cat([value[rows[:3]], torch.zeros_like(value[rows[:3]])])
        optimizer.state[new] = stored


CHANGES = [
    clear_one,
    delete_one,
    clear_all,
    another_dictionary,
    other_tensors,
    transposed_state,
    zeros_in_place,
    other_options,
    other_direction,
    other_values,
    values_in_place,
    other_variant,
    another_group,
    one_less,
    other_order,
    new_parameters,
    more_points,
]
THEIRS_RAISES = {"Adagrad": (clear_one, delete_one, clear_all, new_parameters), "RMSprop": (other_variant,)}  # KeyError


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name in NAMES for change in CHANGES if change not in THEIRS_RAISES.get(name, ())],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_change(name, change):
    both(name, change, **({"momentum": 0.9} if name == "SGD" else {}))


def test_cleared_sums_of_adagrad_start_again():
    """Where PyTorch's raises KeyError."""
    cleared, fresh = (ours("Adagrad")(params, initial_accumulator_value=0.5) for params in twins())
    cleared.state.clear()
    for optimizer in cleared, fresh:
        give_gradients(0, params_of(optimizer))
        optimizer.step()
    assert_bits(bits(cleared), bits(fresh))


def test_state_of_another_size_is_refused():
    """In one sentence, and nothing is stepped."""
    optimizer = ours("Adam")(leaves())
    give_gradients(0, params_of(optimizer))
    optimizer.step()
    p = params_of(optimizer)[0]
    optimizer.state[p]["exp_avg"] = torch.zeros(2, dtype=p.dtype)
    before = bits(optimizer)
    said = r"^the state 'exp_avg' of param_groups\[0\]\['params'\]\[0\] must be float64 \(4, 3\) on cpu"
    with pytest.raises(RuntimeError, match=said):
        optimizer.step()
    assert_bits(bits(optimizer), before)


def test_refused_steps_make_no_state():
    """For a parameter whose first step it would be, where the state of another is refused."""
    p, q = leaves(((3,), (2,)))
    optimizer = ours("Adam")([p, q])
    p.grad = torch.ones_like(p)
    optimizer.step()
    optimizer.state[p]["exp_avg"] = torch.zeros(2, dtype=p.dtype)
    q.grad = torch.ones_like(q)
    with pytest.raises(RuntimeError, match=r"^the state 'exp_avg' of"):
        optimizer.step()
    assert not optimizer.state.get(q)
    optimizer.state[p]["exp_avg"] = torch.zeros_like(p)
    optimizer.step()
    assert optimizer.state[q]["step"] == 1


def test_values_of_another_size_are_refused():
    """Parameters that were given other data, while the gradient or the state stayed."""
    optimizer = ours("Adam")(leaves())
    give_gradients(0, params_of(optimizer))
    optimizer.step()
    p = params_of(optimizer)[0]
    p.data = torch.ones(2, 2, dtype=p.dtype)
    with pytest.raises(RuntimeError, match=r"^the gradient of .* must be float64 \(2, 2\) on cpu, as the param"):
        optimizer.step()
    p.grad = torch.ones_like(p)
    with pytest.raises(RuntimeError, match=r"^the state 'exp_avg' of .* must be float64 \(2, 2\) on cpu"):
        optimizer.step()


def test_model_in_half_precision():
    model = torch.nn.Linear(2, 3)
    optimizer = ours("Adam")(model.named_parameters())
    for convert in model.float, model.half:
        for p in convert().parameters():
            p.grad = torch.ones_like(p)
        if convert == model.float:
            optimizer.step()
    with pytest.raises(ValueError, match=r"^parameter weight must be float32 or float64, got torch\.float16"):
        optimizer.step()


@pytest.mark.parametrize("name", FEW)
def test_model_in_another_dtype(name):
    """``model.double()`` between two steps, where PyTorch raises: the state stays, and says so; a new one works."""
    model = torch.nn.Linear(2, 3)
    optimizer = ours(name)(model.parameters())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    model.double()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before = bits(optimizer)
    if optimizer.state:
        with pytest.raises(RuntimeError, match=r"^the state '.*' of .* must be float64 .* parameter is, got float32"):
            optimizer.step()
        assert_bits(bits(optimizer), before)
        optimizer.load_state_dict(optimizer.state_dict())  # which gives the state the dtype of its parameter
    optimizer.step()
    assert not torch.equal(before[0][0], params_of(optimizer)[0])


@pytest.mark.parametrize("name", FEW)
def test_gradients_at_other_addresses(name):
    """Fresh ones in each step, old ones kept alive and freed by turns, sometimes none."""
    pair = [make(name)(params) for make, params in zip((ours, theirs), twins())]
    kept = []
    for k in range(6):
        for optimizer in pair:
            give_gradients(k, params_of(optimizer))
            if k % 2:
                kept.append([p.grad for p in params_of(optimizer)])
            params_of(optimizer)[k % 3].grad = None
            optimizer.step()
    assert_alike(*pair)


def test_parameter_swapped_for_another_tensor():
    """By ``torch.utils.swap_tensors``: the object stays, and is another tensor inside."""
    a, b = leaves(((3,), (3,)))
    optimizer = ours("SGD")([a], lr=1.0)
    for _ in range(2):
        a.grad = torch.ones_like(a)
        optimizer.step()
    value = b.detach().clone()
    torch.utils.swap_tensors(a, b)
    a.grad = torch.ones_like(a)
    optimizer.step()
    assert torch.equal(a, value - 1.0)


def test_groups_replaced_by_a_copy():
    """``param_groups`` itself is another list, of other dicts."""
    optimizer, other = (ours("Adam")(params) for params in twins())
    for k in range(3):
        for one in optimizer, other:
            give_gradients(k, params_of(one))
            one.step()
        optimizer.param_groups = [dict(group, params=list(group["params"])) for group in optimizer.param_groups]
    assert_bits(bits(optimizer), bits(other))


@pytest.mark.parametrize("missing", ["lr", "betas", "weight_decay"])
def test_option_taken_out_of_a_group(missing):
    optimizer = ours("Adam")(leaves())
    give_gradients(0, params_of(optimizer))
    optimizer.step()
    before = bits(optimizer)
    del optimizer.param_groups[0][missing]
    with pytest.raises(KeyError, match=missing):
        optimizer.step()
    assert_bits(bits(optimizer), before)


def test_closure_is_called_with_gradients_enabled():
    p = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = ours("SGD")([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert p.tolist() == [0.0, 0.0]
    assert optimizer.step(closure=closure).item() == 0.0


def test_closure_that_changes_the_optimiser():
    """Adds a group, sets a rate: what it leaves is stepped with."""
    a, b = leaves(((3,), (2,)))
    optimizer = ours("SGD")([a], lr=0.5)

    def closure():
        if len(optimizer.param_groups) == 1:
            optimizer.add_param_group({"params": [b]})
        optimizer.param_groups[0]["lr"] = 1.0
        a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)

    before = [a.detach().clone(), b.detach().clone()]
    optimizer.step(closure)
    assert_bits([a.detach(), b.detach()], [before[0] - 1.0, before[1] - 0.5])


def test_zero_grad():
    """To None by default; else the same tensors with zeros, without their graph."""
    p, q = leaves(((3,), (2,)))
    optimizer = ours("Adam")([p, q])
    p.grad = g = torch.ones(3, dtype=p.dtype)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is g
    assert g.tolist() == [0.0] * 3
    assert q.grad is None
    optimizer.zero_grad()
    assert p.grad is None
    p.grad = (q.sum() * torch.ones(3, dtype=p.dtype)).clone()
    assert p.grad.requires_grad
    optimizer.zero_grad(False)
    assert not p.grad.requires_grad
