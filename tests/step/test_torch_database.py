"""The configurations that PyTorch tests its own optimisers with, step by step, some gradients None now and then."""

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
from stepping import leaves, problem

import fastopt

pytestmark = pytest.mark.needs("peers")
CLASSES = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD", "Rprop", "ASGD")


def configurations():
    """Of each class that we have too; the module needs expecttest for assertions of its own alone."""
    if "expecttest" not in sys.modules:
        stand_in = ModuleType("expecttest")
        stand_in.TestCase = object
        sys.modules["expecttest"] = stand_in
    database = importlib.import_module("torch.testing._internal.common_optimizers").optim_db
    return [
        (info.optim_cls, given.kwargs)
        for info in database
        if info.optim_cls.__name__ in CLASSES
        for given in info.optim_inputs_func(device="cpu")
    ]


@pytest.fixture(scope="module")
def database():
    return configurations()


def ours(kwargs):
    """The same by our keywords."""
    spelt = {"decoupled_weight_decay": "decoupled"}
    return {spelt.get(k, k): float(v) if hasattr(v, "item") else v for k, v in kwargs.items()}


def intermittent(k, i):
    return (k % 4 != 1, k >= 20, k % 3 == 0)[i]


@pytest.mark.parametrize(
    ("present", "dtype"), [(lambda k, i: True, np.float32), (intermittent, np.float64)], ids=["all", "some"]
)
@pytest.mark.parametrize("index", range(70))
def test_configuration(database, index, dtype, present):
    import torch

    assert len(database) == 70
    optim, kwargs = database[index]
    start, grads = problem(dtype)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam keeps its running product in the default dtype
    try:
        theirs = optim(params, foreach=False, **kwargs)
        opt = getattr(fastopt, optim.__name__)(start, **ours(kwargs))
        for k, given in enumerate(grads):
            given = [g if present(k, i) else None for i, g in enumerate(given)]
            for p, g in zip(params, given):
                p.grad = None if g is None else torch.tensor(g)
            theirs.step()
            opt.step(given)
            for a, p in zip(leaves(opt.params), params):
                expected = p.detach().numpy()
                error = np.abs(a - expected).max() / np.abs(expected).max()
                assert error <= (1e-5 if dtype is np.float32 else 1e-10), f"{optim.__name__} {kwargs}, step {k}"
    finally:
        torch.set_default_dtype(before)
