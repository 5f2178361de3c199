"""Every scheduler of PyTorch's drives ours as it drives theirs: rates and momenta to the bit, parameters to 1e-6."""

import inspect

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils
from torch.testing import assert_close
from torch_tasks import give_gradients, ours, theirs, twins

pytestmark = pytest.mark.needs("peers", "torch")
STEPS = 50

MAKERS = {
    "LambdaLR": lambda opt: lr_scheduler.LambdaLR(opt, lambda epoch: 0.95**epoch),
    "MultiplicativeLR": lambda opt: lr_scheduler.MultiplicativeLR(opt, lambda epoch: 0.97),
    "StepLR": lambda opt: lr_scheduler.StepLR(opt, step_size=7, gamma=0.5),
    "MultiStepLR": lambda opt: lr_scheduler.MultiStepLR(opt, milestones=[5, 20, 21], gamma=0.3),
    "ConstantLR": lambda opt: lr_scheduler.ConstantLR(opt, factor=0.3, total_iters=9),
    "LinearLR": lambda opt: lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=30),
    "ExponentialLR": lambda opt: lr_scheduler.ExponentialLR(opt, gamma=0.93),
    "PolynomialLR": lambda opt: lr_scheduler.PolynomialLR(opt, total_iters=45, power=2.0),
    "CosineAnnealingLR": lambda opt: lr_scheduler.CosineAnnealingLR(opt, T_max=20, eta_min=1e-4),
    "CosineAnnealingWarmRestarts": lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=5, T_mult=2),
    "SequentialLR": lambda opt: lr_scheduler.SequentialLR(
        opt, [lr_scheduler.ConstantLR(opt, factor=0.1), lr_scheduler.ExponentialLR(opt, gamma=0.9)], milestones=[10]
    ),
    "ChainedScheduler": lambda opt: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(opt, total_iters=8), lr_scheduler.ExponentialLR(opt, gamma=0.9)]
    ),
    "ReduceLROnPlateau": lambda opt: lr_scheduler.ReduceLROnPlateau(opt, patience=2, factor=0.5),
    "CyclicLR": lambda opt: lr_scheduler.CyclicLR(opt, 1e-4, 1e-2, step_size_up=6, cycle_momentum=moves(opt)),
    "OneCycleLR": lambda opt: lr_scheduler.OneCycleLR(opt, 1e-2, total_steps=STEPS + 1, cycle_momentum=moves(opt)),
    "SWALR": lambda opt: swa_utils.SWALR(opt, swa_lr=1e-3, anneal_epochs=12),
}
ABSTRACT = {"LRScheduler", "_LRScheduler"}
OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "ASGD": {"lr": 0.1, "lambd": 0.1, "t0": 20},  # whose rates follow a step late
}
CYCLES = ("CyclicLR", "OneCycleLR")  # which move the momentum, too


def moves(optimizer):
    """Whether there is a momentum that may cycle."""
    return any(key in optimizer.defaults for key in ("momentum", "betas"))


def test_every_scheduler_is_here():
    found = {
        name
        for name, value in vars(lr_scheduler).items()
        if inspect.isclass(value) and issubclass(value, lr_scheduler.LRScheduler)
    }
    assert found - ABSTRACT | {"SWALR"} == MAKERS.keys()


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        *(("Adam", one) for one in MAKERS),
        ("ASGD", "StepLR"),
        *((name, one) for name in ("SGD", "NAdam") for one in CYCLES),
    ],
)
@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor"])
def test_scheduler(name, scheduler, tensor):
    """Of two groups; also where the rate is a tensor, which schedulers fill in place."""
    pair = []
    for make, params in zip((ours, theirs), twins(((3,), (2,)))):
        options = OPTIMIZERS[name] | ({"lr": torch.tensor(OPTIMIZERS[name]["lr"])} if tensor else {})
        groups = [{"params": params[:1]}, {"params": params[1:], "lr": options["lr"] * 0.5}]
        optimizer = make(name)(groups, **options, foreach=False)
        pair.append((optimizer, MAKERS[scheduler](optimizer)))
    seen = set()
    for k in range(STEPS):
        for optimizer, by in pair:
            give_gradients(k, [p for group in optimizer.param_groups for p in group["params"]])
            optimizer.step()
            by.step(*[1.0 / (1 + k % 9)] * (scheduler == "ReduceLROnPlateau"))
        mine, reference = (groups_of(optimizer) for optimizer, _ in pair)
        assert [numbers_of(group) for group in mine] == [numbers_of(group) for group in reference]
        seen.add(str(numbers_of(mine[0])))
        for group, wanted in zip(mine, reference):
            assert_close(group["params"], wanted["params"], rtol=1e-6, atol=1e-9)
    assert len(seen) > 1
    mine, reference = (by.state_dict() for _, by in pair)
    assert mine.keys() == reference.keys()


def groups_of(optimizer):
    return optimizer.param_groups


def numbers_of(group):
    return {key: float(group[key]) if key != "betas" else tuple(group[key]) for key in group if key in READ}


READ = ("lr", "betas", "momentum", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_order_of_calls_is_watched(name):
    """A scheduler stepped before the optimiser warns with ours as with theirs, and not after a step."""
    (params, _) = twins()
    optimizer = ours(name)(params)
    by = lr_scheduler.ExponentialLR(optimizer, 0.9)
    with pytest.warns(UserWarning, match="Detected call of `lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`"):
        by.step()
    optimizer = ours(name)(params)
    by = lr_scheduler.ExponentialLR(optimizer, 0.9)
    optimizer.step()
    by.step()  # a warning would be an error here
