"""Adam where gradients and moments have decayed to subnormal numbers, against the same step on normal ones."""

import numpy as np
import pytest
from conftest import Contestant
from reference import Reference

import fastopt

SIZE, STEPS = 20_000, 3


def expected(g, moment):
    reference = Reference("adam", [np.zeros(SIZE)])
    for slot in reference.state.values():
        slot[0][:] = moment
    for _ in range(STEPS):
        reference.step([g.astype(float)])
    return reference.params[0]


def ours(g, moment):
    p = np.zeros_like(g)
    opt = fastopt.Adam(p, parallel=False)
    for a in opt.state.values():
        a[:] = moment
    return Contestant(lambda: opt.step(g), lambda: p, expected(g, moment))


def theirs(torch, g, moment):
    p = torch.zeros(SIZE, dtype=getattr(torch, str(g.dtype)), requires_grad=True)
    p.grad = torch.tensor(g)
    opt = torch.optim.Adam([p], fused=True)
    opt.step()  # makes the state
    p.detach()[:] = 0.0
    for name, value in {"exp_avg": moment, "exp_avg_sq": moment, "step": 0.0}.items():
        opt.state[p][name].fill_(value)
    return Contestant(opt.step, lambda: p.detach().numpy(), expected(g, moment))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormals(race, figure, torch, dtype):
    tiny = float(np.finfo(dtype).smallest_normal) / 64
    normal, subnormal = np.full(SIZE, 1e-3, dtype), np.full(SIZE, tiny, dtype)
    contestants = {"subnormal": ours(subnormal, tiny), "normal": ours(normal, 1e-6)}
    if torch:
        contestants["PyTorch, subnormal"] = theirs(torch, subnormal, tiny)
        contestants["PyTorch, normal"] = theirs(torch, normal, 1e-6)
    seconds = race(contestants, STEPS, 1e-5)
    if seconds is None:
        return
    what = "subnormal over normal moments"
    figure(f"{what}, Adam, {dtype}", seconds["subnormal"] / seconds["normal"], "×", most=1.1)
    if torch:
        figure(f"  {what}, PyTorch fused", seconds["PyTorch, subnormal"] / seconds["PyTorch, normal"], "×")
