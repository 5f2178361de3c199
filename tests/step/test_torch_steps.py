"""The optimisers against torch.optim itself: the same gradients, parameters and state after each of 60 steps."""

import numpy as np
import pytest
from stepping import assert_close, leaves, name_of, problem

import fastopt

pytestmark = pytest.mark.needs("peers")
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}
BETAS = {"betas": (0.8, 0.95)}

# our state slot -> PyTorch's names for it
SLOTS = {
    "b": ["momentum_buffer"],
    "s": ["sum"],
    "a": ["grad_avg"],
    "m": ["exp_avg"],
    "v": ["exp_avg_sq", "square_avg"],
    "u": ["acc_delta", "exp_inf"],
    "vmax": ["max_exp_avg_sq"],
}

# Our constructor, PyTorch's class, the keywords of both (none: the defaults of both), and PyTorch's for the variant.
PAIRS = [
    ("GD", "SGD", {}, {}),
    ("SGD", "SGD", {"lr": 0.05}, {}),
    ("SGD", "SGD", {"momentum": 0.7, "dampening": 0.3}, {}),
    ("SGD", "SGD", {"momentum": 0.7, "nesterov": True}, {}),
    ("Momentum", "SGD", {"lr": 0.05}, {"momentum": 0.9}),
    ("Nesterov", "SGD", {"lr": 0.05}, {"momentum": 0.9, "nesterov": True}),
    ("Adagrad", "Adagrad", {}, {}),
    ("Adagrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.3}, {}),
    ("Adadelta", "Adadelta", {}, {}),
    ("Adadelta", "Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3}, {}),
    ("RMSprop", "RMSprop", {}, {}),
    ("RMSprop", "RMSprop", {"alpha": 0.8, "eps": 1e-2}, {}),
    ("RMSprop", "RMSprop", {"centered": True}, {}),
    ("RMSprop", "RMSprop", {"momentum": 0.9}, {}),
    ("RMSprop", "RMSprop", {"momentum": 0.6, "alpha": 0.8, "centered": True}, {}),
    ("Adam", "Adam", {}, {}),
    ("Adam", "Adam", {"lr": 0.1, "eps": 1e-2, **BETAS}, {}),
    ("Adam", "Adam", {"amsgrad": True}, {}),
    ("AMSGrad", "Adam", BETAS, {"amsgrad": True}),
    ("AdamW", "AdamW", {}, {}),
    ("AdamW", "AdamW", {"lr": 0.1, "eps": 1e-2, "weight_decay": 0.3, **BETAS}, {}),
    ("AdamW", "AdamW", {"amsgrad": True, **BETAS}, {}),
    ("Adamax", "Adamax", {}, {}),
    ("Adamax", "Adamax", {"eps": 1e-2, **BETAS}, {}),
    ("NAdam", "NAdam", {}, {}),
    ("NAdam", "NAdam", {"momentum_decay": 0.1, "eps": 1e-2, **BETAS}, {}),
    ("RAdam", "RAdam", {}, {}),
    ("RAdam", "RAdam", {"eps": 1e-2, **BETAS}, {}),
]
OPTIONS = [
    {},
    {"weight_decay": 0.1, "maximize": True},
    {"weight_decay": 0.1, "maximize": True, "clip_value": 0.5, "clip_norm": 0.7},
]


def intermittent(k, i):
    """Whether array i has a gradient in step k: one from the beginning with gaps, one late, one now and then."""
    return (k % 4 != 1, k >= 20, k % 4 == 1 or k % 3 == 0)[i]  # never none at all: PyTorch's clipping fails there


def torch_step(torch, optimizer, params, grads, clip_value=None, clip_norm=None):
    for p, g in zip(params, grads):
        p.grad = None if g is None else torch.tensor(g)
    if clip_value is not None:
        torch.nn.utils.clip_grad_value_(params, clip_value)
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(params, clip_norm)
    optimizer.step()


def assert_same(opt, params, optimizer):
    assert_close(leaves(opt.params), [p.detach().numpy() for p in params], f"parameters, t={opt.t}", TOLERANCE)
    for slot, arrays in opt.state.items():
        states = [optimizer.state[p] for p in params]
        name = next((name for name in SLOTS[slot] for state in states if name in state), None)
        begun = [(a, state[name].numpy()) for a, state in zip(leaves(arrays), states) if name in state]
        if begun:  # PyTorch makes the state with an array's first gradient
            assert_close(*map(list, zip(*begun)), f"{slot}, t={opt.t}", TOLERANCE)


@pytest.mark.parametrize(
    ("present", "dtype"), [(lambda k, i: True, np.float32), (intermittent, np.float64)], ids=["all", "some"]
)
@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
@pytest.mark.parametrize(("ours", "theirs", "keywords", "variant"), PAIRS)
def test_same_steps(torch, ours, theirs, keywords, variant, present, options, dtype):
    start, grads = problem(dtype)
    grads = [[g if present(k, i) else None for i, g in enumerate(given)] for k, given in enumerate(grads)]
    params = [torch.tensor(p, requires_grad=True) for p in start]
    opt = getattr(fastopt, ours)(start, **options | keywords)
    clip = {k: v for k, v in options.items() if k.startswith("clip")}
    common = {k: v for k, v in options.items() if k not in clip}
    optimizer = getattr(torch.optim, theirs)(params, foreach=False, **common | keywords | variant)
    for g in grads:
        opt.step(g)
        torch_step(torch, optimizer, params, g, **clip)
        assert_same(opt, params, optimizer)


def test_scheduled_learning_rate(torch):
    start, grads = problem(np.float64)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    opt = fastopt.NAdam(start, lr=fastopt.schedules.exponential(0.1, 0.9))
    optimizer = torch.optim.NAdam(params, lr=0.1, foreach=False)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for g in grads:
        opt.step(g)
        torch_step(torch, optimizer, params, g)
        scheduler.step()
        assert_same(opt, params, optimizer)


def test_groups(torch):
    start, grads = problem(np.float64)
    params = [torch.tensor(p, requires_grad=True) for p in start]
    own = [{"lr": 0.1}, {"weight_decay": 0.3}, {"betas": (0.5, 0.9)}]
    opt = fastopt.Adam([{"params": p, **hyper} for p, hyper in zip(start, own)], lr=0.01)
    optimizer = torch.optim.Adam([{"params": [p], **h} for p, h in zip(params, own)], lr=0.01, foreach=False)
    for g in grads:
        opt.step(g)
        torch_step(torch, optimizer, params, g)
        assert_same(opt, params, optimizer)


def test_every_constructor_that_torch_has_too(torch):
    ours = {name for name in fastopt.__all__ if hasattr(torch.optim, name) and name != "Optimizer"}
    assert ours <= {name for name, *_ in PAIRS}
