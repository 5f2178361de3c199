"""What tests of ``fastopt.torch`` share: small tasks, the same twice, and comparisons with PyTorch's optimisers."""

import copy

import torch
from torch.testing import assert_close

import fastopt.torch

NAMES = (  # which PyTorch has, too
    *("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
)
SHAPES = ((4, 3), (5,), ())


def ours(name):
    return getattr(fastopt.torch, name)


def theirs(name):
    return getattr(torch.optim, name)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def leaves(shapes=SHAPES, dtype=torch.float64, seed=0):
    """Parameters of these shapes."""
    g = generator(seed)
    return [torch.nn.Parameter(torch.randn(shape, dtype=dtype, generator=g)) for shape in shapes]


def twins(shapes=SHAPES, dtype=torch.float64, seed=0):
    """The same parameters twice."""
    return leaves(shapes, dtype, seed), leaves(shapes, dtype, seed)


def give_gradients(k, *lists):
    """Give the parameters of each list the same gradients, those of step k."""
    for params in lists:
        g = generator(1000 + k)
        for p in params:
            p.grad = torch.randn(p.shape, dtype=p.dtype, generator=g)


def network(dtype=torch.float64, seed=1):
    layers = torch.nn.Linear(2, 3), torch.nn.Sigmoid(), torch.nn.Linear(3, 1), torch.nn.Sigmoid()
    model = torch.nn.Sequential(*layers).to(dtype)
    g = generator(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, dtype=dtype, generator=g))
    return model


def params_of(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


def states_of(optimizer):
    """The state of each parameter, {} where it has none, which asking would make."""
    return [optimizer.state.get(p, {}) for p in params_of(optimizer)]


def assert_alike(mine, reference, **tolerance):
    """Parameters and every entry of their state, to PyTorch's tolerances for their dtype, or to these."""
    for p, q in zip(params_of(mine), params_of(reference), strict=True):
        assert_close(p, q, **tolerance)
    for state, wanted in zip(states_of(mine), states_of(reference), strict=True):
        wanted = {key: value for key, value in wanted.items() if value is not None}
        assert state.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_close(state[key], value, **tolerance, msg=lambda text, key=key: f"{key}: {text}")


def bits(optimizer):
    """All that a step writes."""
    return copy.deepcopy([[p.detach() for p in params_of(optimizer)], states_of(optimizer)])


def assert_bits(a, b):
    """The same to the bit."""
    assert_close(a, b, rtol=0.0, atol=0.0, equal_nan=True)


def database():
    """PyTorch's database of its optimisers, by name."""
    from torch.testing._internal.common_optimizers import optim_db  # slow to import

    return {info.name: info for info in optim_db}


def configurations(name, *, flags=False):
    """The configurations PyTorch tests an optimiser with; with flags, each also with ``foreach`` and ``fused``."""
    info = database()[name]
    found = [given.kwargs for given in info.optim_inputs_func(device="cpu")]
    allowed = [flag for flag in ("foreach", "fused") if flag in info.supported_impls] if flags else []
    return [*found, *({**copy.deepcopy(kwargs), flag: True} for flag in allowed for kwargs in found)]
