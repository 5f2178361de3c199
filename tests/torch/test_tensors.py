"""Tensors of all kinds as parameters and gradients: each stepped as PyTorch steps it."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch_tasks import NAMES, assert_alike, generator, give_gradients, leaves, ours, theirs, twins

pytestmark = pytest.mark.needs("peers", "torch")
FEW = ("Adam", "SGD", "NAdam", "RMSprop")  # with two slots, none, a number of its own, one


def pair(name, params, others, **kwargs):
    return ours(name)(params, **kwargs), theirs(name)(others, **kwargs, foreach=False)


def compare(name, lists, steps=3, *, give=give_gradients, **kwargs):
    """Three steps of ours and theirs."""
    mine, reference = pair(name, *lists, **kwargs)
    for k in range(steps):
        give(k, *lists)
        mine.step()
        reference.step()
        assert_alike(mine, reference)
    return mine, reference


@pytest.mark.parametrize("name", NAMES)
def test_two_dtypes(name):
    compare(name, [leaves(dtype=torch.float32) + leaves(seed=1) + leaves(dtype=torch.float32, seed=2) for _ in "ab"])


@pytest.mark.parametrize("name", FEW)
def test_empty_and_without_dimensions(name):
    compare(name, twins(((0,), (), (2, 0, 3), (3,), (1,), (0,))))
    compare(name, twins(((0,),)))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Adagrad"])  # which makes its state at once
@pytest.mark.parametrize("swap", [False, True])
def test_meta_parameters(name, swap):
    """Refused, with PyTorch's words where its fused form has them; stepped when ``to_empty`` has made memory.

    By default it makes other parameters, and the optimiser has none with a gradient; if told to swap, it keeps them.
    """
    with torch.device("meta"):
        model = torch.nn.Linear(2, 3, dtype=torch.float64)
    fused = {"fused": True} if name in ("Adam", "AdamW", "SGD") else {}
    optimizer = ours(name)(model.parameters(), **fused)
    give_ones(model)
    said = "`fused=True` requires all the params to be floating point Tensors" if fused else "must be on the CPU or"
    with pytest.raises(RuntimeError, match=said):
        optimizer.step()
    assert not optimizer.state
    optimizer.zero_grad()
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(swap)
    try:
        model.to_empty(device="cpu")
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    give_ones(model)
    optimizer.step()
    assert all((p < 1.0).all().item() is swap for p in model.parameters())


def give_ones(model):
    for p in model.parameters():
        p.grad = torch.ones_like(p)


@pytest.mark.parametrize("name", FEW)
def test_lazy_modules(name):
    """Known to the optimiser before they have memory, as with theirs; one that is never called is never stepped."""
    model, never = torch.nn.LazyLinear(3, dtype=torch.float64), torch.nn.LazyLinear(2)
    optimizer = ours(name)([*model.parameters(), *never.parameters()], lr=0.1)
    for k in range(3):
        optimizer.zero_grad()
        model(torch.full((2, 4), float(k + 1), dtype=torch.float64)).sum().backward()
        before = model.weight.detach().clone()
        optimizer.step()
        assert (model.weight < before).all()
    with pytest.raises(ValueError, match="must have memory with flat=True, got a lazy module's"):
        ours(name)(never.parameters(), flat=True)


# --- memory orders ---------------------------------------------------------------------------------------------------


def image(order):
    t = torch.randn((2, 3, 4, 5), dtype=torch.float64, generator=generator(2))
    return torch.nn.Parameter(t.contiguous(memory_format=order) if isinstance(order, torch.memory_format) else order(t))


ORDERS = {
    "channels_last": torch.channels_last,
    "transposed": lambda t: t.transpose(0, 3),
    "strided": lambda t: t.repeat_interleave(2, dim=3)[..., ::2],
    "row of one": lambda t: t[:, :1],
    "not one piece": lambda t: t[:, 1:, :, 1:4],
    "offset": lambda t: t[1:],
}
GRADIENTS = {
    "like it": torch.zeros_like,
    "contiguous": lambda p: torch.zeros(p.shape, dtype=p.dtype),
    "backwards": lambda p: torch.zeros(p.shape[::-1], dtype=p.dtype).permute(*reversed(range(p.dim()))),
    "expanded": lambda p: torch.zeros(1, dtype=p.dtype).expand(p.shape),
    "every second": lambda p: torch.zeros((*p.shape, 2), dtype=p.dtype)[..., 1],
}


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("order", ORDERS)
def test_orders_of_memory(name, order):
    """Whatever the order of a parameter and of its gradient; the state lies as PyTorch's does."""
    for gradient in GRADIENTS.values():

        def give(k, *lists, gradient=gradient):
            for (p,) in lists:
                p.grad = gradient(p)
                if p.grad.stride() == (0,) * p.dim():
                    p.grad = torch.full((1,), float(k) - 1.5, dtype=p.dtype).expand(p.shape)
                else:
                    p.grad.copy_(torch.randn(p.shape, dtype=p.dtype, generator=generator(k)))

        lists = [[image(ORDERS[order])] for _ in "ab"]
        before = [lists[0][0].data_ptr(), lists[0][0].stride()]
        mine, reference = compare(name, lists, give=give)
        assert [lists[0][0].data_ptr(), lists[0][0].stride()] == before
        for p, q in zip(*lists):
            found, wanted = mine.state.get(p, {}), reference.state.get(q, {})
            assert {k: v.stride() for k, v in found.items()} == {k: v.stride() for k, v in wanted.items()}


def test_what_is_beside_a_strided_parameter_stays():
    wide = torch.zeros(6, 2, dtype=torch.float64)
    p = wide[:, 0].requires_grad_()
    p.grad = torch.ones_like(p)
    ours("SGD")([p], lr=1.0).step()
    assert wide.tolist() == [[-1.0, 0.0]] * 6


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_gradient_that_is_a_negative_view(shape):
    """Which PyTorch does not compute until it is read: memory holds the other sign."""
    p = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    optimizer = ours("SGD")([p], lr=1.0)
    for k in range(3):
        z = torch.complex(torch.zeros_like(p), torch.full_like(p, 2.0)).detach()
        p.grad = z.conj().imag if k != 1 else torch.ones_like(p)
        assert p.grad.is_neg() is (k != 1)
        optimizer.step()
    assert torch.equal(p, torch.full_like(p, 3.0))


def test_tensors_without_memory():
    """Zeros that PyTorch keeps no memory for; and memory that was freed, where PyTorch's own ends the process."""
    p, q = (torch.nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in "ab")
    optimizer = ours("SGD")([p, q], lr=1.0, weight_decay=0.5)
    p.grad = torch._efficientzerotensor((3,), dtype=torch.float64)
    for _ in range(2):
        optimizer.step()
    assert p.tolist() == [0.25] * 3
    q.grad = torch.ones_like(q)
    q.data.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="are out of bounds for storage of size 0"):
        optimizer.step()
    assert p.tolist() == [0.25] * 3


@pytest.mark.parametrize("nbytes", [0, 16])
@pytest.mark.parametrize("what", ["p", "grad", "exp_avg", "step"])
def test_storage_that_became_too_small(what, nbytes):
    """Freed, as by what shards models, or made smaller: PyTorch's own reads and writes there."""
    (p,) = leaves(((3,),))
    optimizer = ours("Adam")([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    found = {"p": p.data, "grad": p.grad, **optimizer.state[p]}
    found[what].untyped_storage().resize_(min(nbytes, 2) if what == "step" else nbytes)
    with pytest.raises(RuntimeError, match=r"are out of bounds for storage|must have memory, got storage of . bytes"):
        optimizer.step()


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_tensors_that_stand_for_others():
    (p,) = leaves(((3,),))
    optimizer = ours("Adam")([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    with FakeTensorMode():
        optimizer.state[p]["exp_avg"] = torch.ones(3, dtype=p.dtype)
    with pytest.raises(RuntimeError, match="must have memory, got none in one of them"):
        optimizer.step()


def test_expanded_state():
    (p,) = leaves(((3,),))
    optimizer = ours("Adam")([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    optimizer.state[p]["exp_avg"] = torch.ones(1, dtype=p.dtype).expand(3)
    before = p.detach().clone()
    with pytest.raises(ValueError, match=r"^the state 'exp_avg' of .* must have memory for each of its elements"):
        optimizer.step()
    assert torch.equal(p, before)


def test_number_in_a_complex_model():
    """Autograd makes such a view of it."""
    lists = [[torch.ones((), dtype=torch.float64, requires_grad=True)] for _ in "ab"]

    def give(k, *lists):
        for (p,) in lists:
            p.grad = None
            factor = torch.complex(torch.full_like(p, 2.0), torch.full_like(p, 3.0)).detach()
            (torch.complex(torch.ones_like(p), p).conj() * factor).real.backward()
            assert p.grad.is_neg()

    compare("Adam", lists, give=give)


def test_gradient_in_the_memory_of_its_parameter():
    """All of it is stepped, as PyTorch's is; some of it refused, as PyTorch's is."""
    memory = torch.arange(6, dtype=torch.float64)
    p = memory[1:5].requires_grad_()
    optimizer = ours("SGD")([p], lr=0.5)
    p.grad = p.detach()
    optimizer.step()
    assert memory.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 5.0]
    for start in (0, 2):
        p.grad = memory[start : start + 4].detach()
        with pytest.raises(
            RuntimeError, match=r"^the gradient of .* must have memory of its own, got some of the param"
        ):
            optimizer.step()
    assert memory.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 5.0]


@pytest.mark.filterwarnings("ignore:Using backward")
def test_gradients_of_whatever_class():
    """A parameter as a gradient, one that is part of a graph."""
    p = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer = ours("SGD")([p], lr=1.0)
    p.grad = torch.nn.Parameter(torch.full((3,), 2.0, dtype=torch.float64))
    optimizer.step()
    assert p.tolist() == [-1.0] * 3
    optimizer.zero_grad()
    (p**2).sum().backward(create_graph=True)
    assert p.grad.requires_grad
    optimizer.step()
    assert p.tolist() == [1.0] * 3
    p.grad = None  # or the graph lives for ever


@pytest.mark.parametrize("name", FEW)
def test_steps_under_no_grad_and_without_requires_grad(name):
    """A tensor with a gradient is stepped, whether or not it requires one."""
    lists = [[p.detach() for p in leaves()] for _ in "ab"]
    with torch.no_grad():
        compare(name, lists)


@pytest.mark.parametrize("name", FEW)
def test_tied_parameters(name):
    """One module's weight used by another: one parameter."""

    def model():
        a, b = torch.nn.Linear(3, 3, dtype=torch.float64), torch.nn.Linear(3, 3, dtype=torch.float64)
        b.weight = a.weight
        with torch.no_grad():
            for k, p in enumerate((a.weight, a.bias, b.bias)):
                p.copy_(torch.randn(p.shape, dtype=p.dtype, generator=generator(k)))
        return torch.nn.Sequential(a, torch.nn.Tanh(), b)

    models = model(), model()
    optimizers = pair(name, *(list(m.parameters()) for m in models))
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator(9))
    for _ in range(3):
        for m, opt in zip(models, optimizers):
            opt.zero_grad()
            m(x).pow(2).sum().backward()
            opt.step()
    assert_alike(*optimizers)


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_parameters_that_overlap(name):
    """Views of one memory are stepped one after the other, as PyTorch does; also large ones, which are so only later.

    With weight decay the order counts: threads would come to the second before the first.
    """
    memories = [torch.randn(70000, dtype=torch.float64, generator=generator(4)) for _ in "ab"]
    lists = [[memory[:60000].requires_grad_(), memory[30000:].clone().requires_grad_()] for memory in memories]
    optimizers = pair(name, *lists, weight_decay=0.5, lr=0.1)
    for k in range(4):
        if k == 2:
            for memory, (_, second) in zip(memories, lists):
                second.data = memory[30000:]
        give_gradients(k, *lists)
        for optimizer in optimizers:
            optimizer.step()
        assert_alike(*optimizers)


@pytest.mark.parametrize("name", FEW)
def test_large_tensors_in_threads(name):
    """Large ones are shared among threads, small ones go along; the same bits on one thread."""
    before, results = torch.get_num_threads(), []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        try:
            mine, _ = compare(name, twins(((3,), (150001,), (), (7, 11))), 2)
        finally:
            torch.set_num_threads(before)
        results.append([p.detach() for p in mine.param_groups[0]["params"]])
    assert all(torch.equal(a, b) for a, b in zip(*results))
