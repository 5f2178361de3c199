"""One step of 1000 elements, all checks on, for every rule; beside PyTorch where it is installed."""

import numpy as np
import pytest
from conftest import Contestant
from reference import Reference

import fastopt

SIZE, STEPS = 1000, 5
MOST = {"float32": 1.6, "float64": 2.6}  # µs
TORCH = {  # its class and what it needs besides; "fused" where it has such a kernel
    "gd": ("SGD", {"fused": True}),
    "sgd": ("SGD", {"fused": True}),
    "momentum": ("SGD", {"fused": True, "momentum": 0.9}),
    "nesterov": ("SGD", {"fused": True, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"fused": True}),
    "adadelta": ("Adadelta", {"foreach": True}),
    "rmsprop": ("RMSprop", {"foreach": True}),
    "adam": ("Adam", {"fused": True}),
    "adamw": ("AdamW", {"fused": True}),
    "amsgrad": ("Adam", {"fused": True, "amsgrad": True}),
    "adamax": ("Adamax", {"foreach": True}),
    "nadam": ("NAdam", {"foreach": True}),
    "radam": ("RAdam", {"foreach": True}),
}


def ours(rule, start, g, expected):
    p = start.copy()
    opt = fastopt.Optimizer(p, rule)
    return Contestant(lambda: opt.step(g), lambda: p, expected)


def theirs(torch, rule, start, g, expected):
    cls, keywords = TORCH[rule.name]
    p = torch.tensor(start, requires_grad=True)
    p.grad = torch.tensor(g)
    opt = getattr(torch.optim, cls)([p], **keywords)
    return Contestant(opt.step, lambda: p.detach().numpy(), expected)


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
def test_step(race, figure, torch, rule, dtype):
    rng = np.random.default_rng(0)
    start, g = rng.normal(size=SIZE).astype(dtype), rng.normal(size=SIZE).astype(dtype)
    reference = Reference(rule.name, [start])
    for _ in range(STEPS):
        reference.step([g.astype(float)])
    contestants = {"fastopt": ours(rule, start, g, reference.params[0])}
    if torch and rule.name in TORCH:
        contestants["PyTorch"] = theirs(torch, rule, start, g, reference.params[0])
    seconds = race(contestants, STEPS, 1e-5 if dtype == "float32" else 1e-6)
    if seconds is None:
        return
    figure(f"step of {SIZE}, {dtype}, {rule.name}", seconds["fastopt"] * 1e6, "µs", most=MOST[dtype])
    if "PyTorch" in seconds:
        kind = "fused" if "fused" in TORCH[rule.name][1] else "foreach"
        figure(f"  PyTorch {kind} over fastopt", seconds["PyTorch"] / seconds["fastopt"], "×", least=15)
