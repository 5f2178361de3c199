"""Steps on a GPU, beside a copy of as many bytes and PyTorch on the same card. Every step is waited for."""

from dataclasses import replace

import pytest
import step_peers
from conftest import Contestant
from numba import config
from step_peers import TORCH, Start

import fastopt
from fastopt import device
from fastopt.limit import bytes_moved

torch = pytest.importorskip("torch")
if device.missing() or config.ENABLE_CUDASIM or not torch.cuda.is_available():
    pytest.skip(f"needs a GPU: {device.missing() or 'PyTorch sees none'}", allow_module_level=True)

STEPS, ROUNDS, LARGE, MIDDLE = 5, 40, 10**8, 10**7
SIZES = [1, 10**3, 10**4, 10**5, 10**6, 10**7, 10**8]
RTOL = {"float32": 1e-5, "float64": 1e-6}
ADAM = next(rule for rule in fastopt.RULES if rule.name == "adam")

each_dtype = pytest.mark.parametrize("dtype", RTOL)


def waited(step):
    def run():
        step()
        torch.cuda.synchronize()

    return run


def on_gpu(a):
    return torch.tensor(a, device="cuda")


def fastopts(rule, start, **options):
    p, g = on_gpu(start.p), on_gpu(start.g)
    opt = fastopt.Optimizer(p, rule, device="cuda", **options)
    return start.contestant(waited(lambda: opt.step(g)), lambda: p.cpu().numpy())


def torches(rule, start, **kind):
    contestant = step_peers.torches(torch, rule, start, "cuda", **kind)
    return replace(contestant, step=waited(contestant.step))


def copy(rule, start):
    """A copy on the device that reads and writes as many bytes as a step moves."""
    source = torch.ones(bytes_moved(rule, str(start.p.dtype), start.p.size) // 2, dtype=torch.uint8, device="cuda")
    target = torch.zeros_like(source)
    return Contestant(waited(lambda: target.copy_(source)), lambda: target.min().item(), 1)


def test_large(race, figure):
    start = Start(ADAM, LARGE, "float32", STEPS)
    contestants = {"fastopt": fastopts(ADAM, start), "copy": copy(ADAM, start)}
    contestants |= {f"PyTorch {kind}": torches(ADAM, start, **{kind: True}) for kind in ("fused", "foreach")}
    seconds = race(contestants, STEPS, RTOL["float32"], rounds=ROUNDS)
    if seconds is None:
        return
    figure("GPU, Adam, float32, 10⁸ elements", seconds["fastopt"] * 1e6, "µs")
    for peer, least in {"copy": 0.93, "PyTorch fused": 1.0, "PyTorch foreach": 1.0}.items():
        figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×", least=least)


@each_dtype
@pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
def test_rules(race, figure, rule, dtype):
    start = Start(rule, MIDDLE, dtype, STEPS)
    contestants = {"fastopt": fastopts(rule, start), "copy": copy(rule, start)}
    if rule.name in TORCH:
        contestants["PyTorch"] = torches(rule, start)
    seconds = race(contestants, STEPS, RTOL[dtype], rounds=ROUNDS)
    if seconds is None:
        return
    figure(f"GPU, {rule.name}, {dtype}, 10⁷ elements", seconds["fastopt"] * 1e6, "µs")
    for peer in list(contestants)[1:]:
        figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×")


@pytest.mark.parametrize("size", SIZES)
def test_sizes(race, curve, size):
    start = Start(ADAM, size, "float32", STEPS)
    contestants = {"fastopt": fastopts(ADAM, start), "PyTorch fused": torches(ADAM, start, fused=True)}
    seconds = race(contestants, STEPS, RTOL["float32"], rounds=ROUNDS)
    for name in contestants if seconds is not None else ():
        curve("GPU, Adam, float32", name, size, seconds[name])


def test_many_arrays(race, figure):
    """100 arrays of 64 with gradients of their own: packed, so one launch; PyTorch's fused and foreach."""
    start = Start(ADAM, 6400, "float32", STEPS)

    def pieces():
        return [on_gpu(a) for a in start.p.reshape(100, 64)], [on_gpu(a) for a in start.g.reshape(100, 64)]

    def ours():
        arrays, grads = pieces()
        params = fastopt.pack(arrays)
        opt = fastopt.Adam(params)
        return start.contestant(waited(lambda: opt.step(grads)), lambda: fastopt.to_host(params.buffers[0]))

    def theirs(kind):
        arrays, grads = pieces()
        for p, g in zip(arrays, grads):
            p.requires_grad_().grad = g
        opt = torch.optim.Adam(arrays, **{kind: True})
        return start.contestant(waited(opt.step), lambda: torch.cat([p.detach() for p in arrays]).cpu().numpy())

    contestants = {"fastopt": ours(), "PyTorch fused": theirs("fused"), "PyTorch foreach": theirs("foreach")}
    seconds = race(contestants, STEPS, RTOL["float32"], rounds=ROUNDS)
    if seconds is None:
        return
    figure("GPU, Adam on 100 packed arrays of 64, float32", seconds["fastopt"] * 1e6, "µs")
    for peer in list(contestants)[1:]:
        figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×")


def test_replay(race, figure):
    """A captured graph replays the step: it counts and computes its coefficients on the device."""
    start = Start(ADAM, MIDDLE, "float32", 1 + STEPS)
    p, g = on_gpu(start.p), on_gpu(start.g)
    opt, plain = fastopt.Adam(p, capturable=True), fastopts(ADAM, start)
    opt.step(g)  # what is compiled at the first step cannot be captured
    plain.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        opt.step(g)
    replayed = start.contestant(waited(graph.replay), lambda: p.cpu().numpy())
    seconds = race({"replayed": replayed, "fastopt": plain}, STEPS, RTOL["float32"], rounds=ROUNDS)
    if seconds is not None:
        figure("GPU, Adam, float32, 10⁷ elements, replayed", seconds["replayed"] * 1e6, "µs")
        figure("  step over replayed", seconds["fastopt"] / seconds["replayed"], "×")
