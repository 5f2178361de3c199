"""What cannot be stepped is refused in one sentence, before anything is written."""

import copy

import pytest
import torch
from torch_tasks import NAMES, assert_bits, bits, leaves, ours

pytestmark = pytest.mark.needs("peers", "torch")

DTYPES = [torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.int64]


def refused(call, error, said):
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert said in text
    assert "\n" not in text
    assert len(text) <= 300


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_parameters_of_other_dtypes(name, dtype):
    p = torch.ones(2, dtype=dtype)
    said = f"param_groups[0]['params'][1] must be float32 or float64, got {dtype}"
    refused(lambda: ours(name)([torch.ones(1), p]), ValueError, said)
    optimizer = ours(name)([torch.ones(1)])
    refused(lambda: optimizer.add_param_group({"params": [p]}), ValueError, "param_groups[1]['params'][0] must be")
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", NAMES)
def test_sparse_parameters(name):
    p = torch.eye(3).to_sparse().requires_grad_()
    refused(lambda: ours(name)([p]), ValueError, "must be a dense tensor, got the layout torch.sparse_coo")


@pytest.mark.parametrize("name", NAMES)
def test_expanded_parameters(name):
    p = torch.ones(1).expand(3).requires_grad_()
    refused(lambda: ours(name)([p]), ValueError, "must have memory for each of its elements, got an expanded")


@pytest.mark.parametrize("name", NAMES)
def test_sparse_gradients(name):
    """With PyTorch's words, and nothing of the others stepped."""
    p, q = leaves(((3,), (4, 2)))
    optimizer = ours(name)([("small", p), ("table", q)])
    for k in range(2):
        p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
        before = bits(optimizer)
        if k:
            q.grad = q.grad.to_sparse()
            refused(optimizer.step, RuntimeError, f"{name} does not support sparse gradients, got one for par")
            assert_bits(bits(optimizer), before)
        else:
            optimizer.step()


def test_refused_first_steps_make_no_state():
    p, q = leaves(((3,), (4, 2)))
    optimizer = ours("Adam")([p, q])
    p.grad, q.grad = torch.ones_like(p), torch.ones_like(q).to_sparse()
    start = copy.deepcopy([p.detach(), q.detach()])
    refused(optimizer.step, RuntimeError, "Adam does not support sparse gradients")
    assert not optimizer.state
    assert_bits([p.detach(), q.detach()], start)


NUMBERS = {  # value in a group: the error, and what is said
    "nan": (float("nan"), ValueError, "lr must be finite, got nan"),
    "inf": (float("inf"), ValueError, "lr must be finite, got inf"),
    "text": ("x", TypeError, "lr must be a number, got"),
    "none": (None, TypeError, "lr must be a number, got None"),
    "two": (torch.ones(2), ValueError, "Tensor lr must be 1-element, got the shape (2,)"),
    "list": ([0.1], TypeError, "lr must be a number, got"),
}


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("what", NUMBERS)
def test_rates_of_a_group(name, what):
    value, error, said = NUMBERS[what]
    (p,) = leaves(((3,),))
    optimizer = ours(name)([p])
    p.grad = torch.ones_like(p)
    for _ in range(2):
        before = p.detach().clone()
        optimizer.param_groups[0]["lr"] = value
        refused(optimizer.step, error, said)
        assert torch.equal(p, before)
        optimizer.param_groups[0]["lr"] = 0.5
        optimizer.step()
        assert not torch.equal(p, before)


@pytest.mark.parametrize("name", NAMES)
def test_rate_that_is_no_number_in_the_constructor(name):
    with pytest.raises((TypeError, ValueError)):
        ours(name)(leaves(), lr="x")


def test_decay_and_betas_of_a_group():
    (p,) = leaves(((3,),))
    optimizer = ours("Adam")([p])
    p.grad = torch.ones_like(p)
    for key, value, said in (
        ("betas", (0.9, float("nan")), "betas[1] must be finite"),
        ("weight_decay", "x", "weight_decay must be a number"),
        ("maximize", 1, "maximize must be True or False, got 1"),
    ):
        before = optimizer.param_groups[0][key]
        optimizer.param_groups[0][key] = value
        refused(optimizer.step, (TypeError, ValueError), said)
        optimizer.param_groups[0][key] = before
    optimizer.step()


@pytest.mark.parametrize(("betas", "got"), [((0.9,), "1 of them"), ([0.9, 0.99, 0.999], "3 of them"), (0.9, "0.9")])
def test_betas_that_are_not_two(betas, got):
    (p,) = leaves(((3,),))
    said = f"betas must be two numbers, got {got}"
    refused(lambda: ours("Lion")([p], betas=betas), ValueError, said)
    optimizer = ours("Adam")([p])
    optimizer.param_groups[0]["betas"] = betas
    p.grad = torch.ones_like(p)
    refused(optimizer.step, ValueError, said)
    assert not optimizer.state


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_parameters_that_are_there_twice():
    (p,) = leaves(((3,),))
    said = "param_groups[0] must have each parameter once, got one twice"
    optimizer = ours("Adam")([p, p])
    p.grad = torch.ones_like(p)
    refused(optimizer.step, ValueError, said)
    assert not optimizer.state


def test_dampened_nesterov():
    """In PyTorch's words, which are its constructor's: its step would damp."""
    (p,) = leaves(((3,),))
    optimizer = ours("SGD")([p], momentum=0.9, nesterov=True)
    p.grad = torch.ones_like(p)
    optimizer.step()
    optimizer.param_groups[0]["dampening"] = 0.5
    refused(optimizer.step, ValueError, "Nesterov momentum requires a momentum and zero dampening, got 0.5")


@pytest.mark.parametrize("option", ["differentiable", "capturable"])
def test_options_that_ask_for_something_else(option):
    refused(lambda: ours("Adam")(leaves(), **{option: True}), ValueError, f"{option} must be False, got True")
    optimizer = ours("Adam")(leaves())
    group = {"params": leaves(), option: True}
    refused(lambda: optimizer.add_param_group(group), ValueError, f"{option} must be False, got True")
    assert len(optimizer.param_groups) == 1


def test_flat_that_is_no_bool():
    refused(lambda: ours("Adam")(leaves(), flat=1), TypeError, "flat must be True or False, got 1")


def test_subclasses_that_compute_otherwise():
    class Doubled(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return super().__torch_function__(function, types, args, kwargs or {})

    class Named(torch.nn.Parameter):
        pass

    p = torch.ones(3).as_subclass(Doubled).requires_grad_()
    optimizer = ours("SGD")([p], lr=1.0)
    p.grad = torch.ones(3)
    refused(optimizer.step, RuntimeError, "must be a plain tensor, got Doubled")
    q = Named(torch.ones(3))
    q.grad = torch.ones(3)
    ours("SGD")([q], lr=1.0).step()
    assert q.tolist() == [0.0] * 3
