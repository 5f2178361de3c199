"""One step of Adam on 100 packed arrays of 64 elements, with gradients in arrays of their own."""

from itertools import cycle

import numpy as np
import pytest
from conftest import Contestant
from reference import Reference

import fastopt

ARRAYS, SIZE, STEPS = 100, 64, 5
NAMES = [f"w{k}" for k in range(ARRAYS)]


def as_dict(arrays):
    return dict(zip(NAMES, arrays))


def ours(form, starts, grads, expected):
    params = fastopt.pack(form(starts))
    opt = fastopt.Adam(params)
    fresh = cycle([form([g.copy() for g in grads]) for _ in range(4)])  # other arrays in every step
    return Contestant(lambda: opt.step(next(fresh)), lambda: params.buffers[0], expected)


def theirs(torch, kind, starts, grads, expected):
    params = [torch.tensor(p, requires_grad=True) for p in starts]
    for p, g in zip(params, grads):
        p.grad = torch.tensor(g)
    opt = torch.optim.Adam(params, **{kind: True})
    return Contestant(opt.step, lambda: np.concatenate([p.detach().numpy() for p in params]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_arrays(race, figure, torch, dtype):
    starts, grads = ([*a] for a in np.random.default_rng(0).normal(size=(2, ARRAYS, SIZE)).astype(dtype))
    reference = Reference("adam", starts)
    for _ in range(STEPS):
        reference.step([g.astype(float) for g in grads])
    same = starts, grads, np.concatenate(reference.params)
    contestants = {"list": ours(list, *same), "dict": ours(as_dict, *same)}
    if torch:
        contestants |= {f"PyTorch {kind}": theirs(torch, kind, *same) for kind in ("fused", "foreach")}
    seconds = race(contestants, STEPS, 1e-5 if dtype == "float32" else 1e-10)
    if seconds is None:
        return
    for form in ("dict", "list"):
        what = f"{ARRAYS} packed arrays of {SIZE}, {dtype}, {form} of gradients"
        figure(what, seconds[form] * 1e6, "µs", **({"most": 8} if dtype == "float32" else {}))
    for name in list(contestants)[2:]:
        figure(f"  {name} over fastopt", seconds[name] / seconds["list"], "×", least=50)
