"""Steps on a GPU, beside a copy of as many bytes and PyTorch's kernels on the same card, by turns in the same run.

Ten steps are queued and then waited for, as a training loop runs ahead of the device: a wait takes about 10 µs, which
is a hundredth of ten steps of 10⁷ elements and nothing beside ten of 10⁸, and what the host takes to launch a step
counts where it is longer than the step itself (below about 10⁶ elements). Times are per step.
"""

from dataclasses import replace

import numpy as np
import pytest
import step_peers
import test_minimize_many as fits
from conftest import Contestant
from numba import config
from step_peers import Start

import fastopt
from fastopt.cli.same_bytes import bytes_moved
from fastopt.targets import missing

torch = pytest.importorskip("torch")
if missing() or config.ENABLE_CUDASIM or not torch.cuda.is_available():
    pytest.skip(f"needs a GPU: {missing() or 'PyTorch sees none'}", allow_module_level=True)

PLACE = "cuda"
QUEUE, ROUNDS, LARGE, MIDDLE = 10, 40, 10**8, 10**7
MANY, SMALL = 100, 64
FITS, ITERATIONS = fits.K, fits.STEPS
SIZES = [1, 10**3, 10**4, 10**5, 10**6, 10**7, 10**8]
RTOL = {"float32": 1e-5, "float64": 1e-6}
ADAM = next(rule for rule in fastopt.RULES if rule.name == "adam")

each_dtype = pytest.mark.parametrize("dtype", RTOL)


@pytest.fixture(autouse=True)
def card(benchmark):
    """The record goes by the card's name."""
    benchmark.extra_info["card"] = torch.cuda.get_device_name()


@pytest.fixture
def race(race):
    """``race(contestants, dtype)``: seconds per step, of which QUEUE are queued before a wait."""

    def queued(step, queue):
        def run():
            for _ in range(queue):
                step()
            torch.cuda.synchronize()

        return run

    def run(contestants, dtype="float32", queue=None, rounds=None):
        queue = queue or QUEUE
        contestants = {name: replace(one, step=queued(one.step, queue)) for name, one in contestants.items()}
        seconds = race(contestants, 1, RTOL[dtype], rounds=rounds or ROUNDS)
        return seconds and {name: taken / queue for name, taken in seconds.items()}

    return run


def on_gpu(a):
    return torch.tensor(a, device=PLACE)


def fastopts(rule, start, **options):
    p, g = on_gpu(start.p), on_gpu(start.g)
    opt = fastopt.Optimizer(p, rule, device="cuda", **options)
    return start.contestant(lambda: opt.step(g), lambda: p.cpu().numpy())


def torches(rule, start):
    """PyTorch's fused and foreach kernels, where this version has them for this device."""
    kinds = [kind for kind in ("fused", "foreach") if rule.name in step_peers.TORCH and runs(rule, kind)]
    if rule.name == "nesterov":
        kinds.remove("foreach")  # it adds to the gradient, so that steps with the same one differ
    return {f"PyTorch {kind}": step_peers.torches(torch, rule, start, PLACE, **{kind: True}) for kind in kinds}


def runs(rule, kind):
    try:
        step_peers.torches(torch, rule, Start(rule, 1, "float32", 1), PLACE, **{kind: True}).step()
    except (TypeError, RuntimeError):  # no such argument, or not on this device
        return False
    return True


def copy(rule, start):
    """A copy on the device that reads and writes as many bytes as a step moves."""
    source = torch.ones(bytes_moved(rule, str(start.p.dtype), start.p.size) // 2, dtype=torch.uint8, device=PLACE)
    target = torch.zeros_like(source)
    return Contestant(lambda: target.copy_(source), lambda: target.min().item(), 1)


def figures(figure, work, seconds, least=()):
    """The first contestant's time, and the others' over it."""
    first, *peers = seconds
    figure(work, seconds[first] * 1e6, "µs")
    for peer in peers:
        target = {"least": least[peer]} if peer in least else {}
        figure(f"  {peer} over {first}", seconds[peer] / seconds[first], "×", **target)


def test_large(race, figure):
    start = Start(ADAM, LARGE, "float32", QUEUE)
    seconds = race({"fastopt": fastopts(ADAM, start), "copy": copy(ADAM, start), **torches(ADAM, start)})
    if seconds is not None:
        least = {"copy": 0.93, "PyTorch fused": 1.0, "PyTorch foreach": 1.0}
        figures(figure, "GPU, Adam on 10⁸ elements, float32", seconds, least)


@each_dtype
@pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
def test_rules(race, figure, rule, dtype):
    start = Start(rule, MIDDLE, dtype, QUEUE)
    seconds = race({"fastopt": fastopts(rule, start), "copy": copy(rule, start), **torches(rule, start)}, dtype)
    if seconds is not None:
        figures(figure, f"GPU, 10⁷ elements, {dtype}, {rule.name}", seconds)


@pytest.mark.parametrize("size", SIZES)
def test_sizes(race, figure, curve, size):
    start = Start(ADAM, size, "float32", QUEUE)
    seconds = race({"fastopt": fastopts(ADAM, start), "copy": copy(ADAM, start), **torches(ADAM, start)})
    if seconds is None:
        return
    for name, taken in seconds.items():
        curve("GPU, Adam, float32", name, size, taken)
    if size < MIDDLE:
        figures(figure, f"GPU, Adam, float32, {size} elements", seconds)


def test_many_arrays(race, figure):
    """Small arrays with gradients of their own: packed, so one launch; PyTorch's fused and foreach."""
    start = Start(ADAM, MANY * SMALL, "float32", QUEUE)

    def pieces():
        return [[on_gpu(one) for one in a.reshape(MANY, SMALL)] for a in (start.p, start.g)]

    def ours():
        arrays, grads = pieces()
        params = fastopt.pack(arrays)
        opt = fastopt.Adam(params)
        return start.contestant(lambda: opt.step(grads), lambda: fastopt.to_host(params.buffers[0]))

    def theirs(kind):
        arrays, grads = pieces()
        for p, g in zip(arrays, grads):
            p.requires_grad_().grad = g
        opt = torch.optim.Adam(arrays, **{kind: True})
        return start.contestant(opt.step, lambda: torch.cat([p.detach() for p in arrays]).cpu().numpy())

    seconds = race({"fastopt": ours(), "PyTorch fused": theirs("fused"), "PyTorch foreach": theirs("foreach")})
    if seconds is not None:
        figures(figure, f"GPU, Adam on {MANY} packed arrays of {SMALL}, float32", seconds)


@pytest.mark.parametrize("size", [1000, MIDDLE])
def test_replay(race, figure, size):
    """A captured graph replays the step: it counts and computes its coefficients on the device."""
    start = Start(ADAM, size, "float32", 1 + QUEUE)
    p, g = on_gpu(start.p), on_gpu(start.g)
    opt, plain = fastopt.Adam(p, capturable=True), fastopts(ADAM, start)
    opt.step(g)  # what is compiled at the first step cannot be captured
    plain.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        opt.step(g)
    replayed = start.contestant(graph.replay, lambda: p.cpu().numpy())
    seconds = race({"replayed": replayed, "step": plain})
    if seconds is not None:
        figures(figure, f"GPU, Adam on {size} elements replayed, float32", seconds)


def test_many_fits(race, figure):
    """``minimize_many`` with a thread per problem beside the CPU's threads; arrays are on the GPU before and after."""
    X0, Y, t = fits.data(fits.exponential, False)
    X0, Y = X0[:FITS], Y[:FITS]
    options, last = {"lr": 0.05, "maxiter": ITERATIONS, "gtol": 0}, {}

    def solved(where, X0, Y, t):
        def step():
            last[where] = fastopt.minimize_many(fits.exponential, X0, (Y,), (t,), "adam", "inplace", options=options).x

        return step

    here, there = solved("CPU", X0, Y, t), solved("GPU", *fastopt.to_device((X0, Y, t)))
    here()
    expected = np.array(last["CPU"])
    contestants = {
        "GPU": Contestant(there, lambda: fastopt.to_host(last["GPU"]), expected),
        "CPU": Contestant(here, lambda: last["CPU"], expected),
    }
    seconds = race(contestants, "float64", queue=1, rounds=8)
    if seconds is not None:
        figures(figure, f"GPU, {FITS} exponential fits, {ITERATIONS} iterations each", seconds)
