"""Whole training loops of PyTorch (zero_grad, forward, backward, step) with Adam, by who makes the steps.

PyTorch's threads are as they are. A lap is several iterations, as a training loop makes them, on batches that go round;
labels are noise, so that no model learns them and gradients stay as large as those of real training.

What an optimiser costs is the loop against the same loop without one: forward and backward only, with gradients set to
None before. That is the least that anybody who wants gradients can do, since autograd then hands its own tensors over
instead of adding to what is there. So whatever else a loop spends, such as filling gradients with zeros and adding to
views of a buffer (``flat=True``), counts as the optimiser's.
"""

import copy
from itertools import chain, cycle, pairwise
from typing import NamedTuple

import pytest
from conftest import Contestant

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fastopt.torch import Adam  # noqa: E402

BATCH, BATCHES = 32, 64
RTOL = 1e-3  # of the parameters after the first lap
FORMS = {
    "PyTorch default": (torch.optim.Adam, {}),
    "PyTorch foreach": (torch.optim.Adam, {"foreach": True}),
    "PyTorch fused": (torch.optim.Adam, {"fused": True}),
    "separate": (Adam, {}),
    "flat": (Adam, {"flat": True}),
}
LEAST = {  # how many times as long PyTorch's should take, on the first model
    "separate": {"PyTorch fused": 1.3, "PyTorch default": 1.8},
    "flat": {"PyTorch fused": 1.6, "PyTorch default": 2.2},
}
SAID = {"separate": "separate tensors", "flat": "flat=True"}
SHARE = 4  # % of the loop on the first model


class Model(NamedTuple):
    """``example``: the shape of one; ``lap``: iterations in one."""

    name: str
    make: object
    example: tuple
    outputs: int
    lap: int
    rounds: int


def mlp(*widths, lap, rounds):
    def make():
        layers = chain.from_iterable((nn.Linear(n, m), nn.ReLU()) for n, m in pairwise(widths))
        return nn.Sequential(*layers)[:-1]

    return Model(f"MLP {'-'.join(map(str, widths))}", make, widths[:1], widths[-1], lap, rounds)


def convolutional():
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 5 * 5, 10))


MODELS = (
    mlp(8, 64, 64, 1, lap=10, rounds=200),
    mlp(32, 256, 256, 10, lap=10, rounds=100),
    mlp(128, 1024, 1024, 10, lap=2, rounds=60),
    Model("CNN 28×28, 2 convolutions", convolutional, (1, 28, 28), 10, 4, 60),
)


class Loops:
    """Contestants that train copies of a model on the same batches."""

    def __init__(self, model):
        self.lap = model.lap
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.start = model.make()
            X = torch.randn(BATCHES, BATCH, *model.example)
            y = torch.randn(BATCHES, BATCH, 1) if model.outputs == 1 else torch.randint(10, (BATCHES, BATCH))
        self.batches = list(zip(X, y))
        self.loss = nn.functional.mse_loss if model.outputs == 1 else nn.functional.cross_entropy

    def training(self, cls, options):
        """A lap, and what the parameters are then."""
        model, batches, loss, times = copy.deepcopy(self.start), cycle(self.batches), self.loss, range(self.lap)
        opt = cls(model.parameters(), **options)

        def lap():
            for _ in times:
                x, y = next(batches)
                opt.zero_grad()
                loss(model(x), y).backward()
                opt.step()

        return lap, lambda: joined(model.parameters())

    def contestant(self, cls, options):
        lap, result = self.training(torch.optim.Adam, {"foreach": False})
        lap()
        return Contestant(*self.training(cls, options), result())

    def without_optimiser(self):
        model, batches, loss, times = copy.deepcopy(self.start), cycle(self.batches), self.loss, range(self.lap)
        params = list(model.parameters())

        def lap():
            for _ in times:
                x, y = next(batches)
                for p in params:
                    p.grad = None
                loss(model(x), y).backward()

        x, y = self.batches[self.lap - 1]
        other = copy.deepcopy(self.start)
        expected = joined(torch.autograd.grad(loss(other(x), y), list(other.parameters())))
        return Contestant(lap, lambda: joined(p.grad for p in params), expected)


def joined(tensors):
    return torch.cat([t.detach().ravel() for t in tensors]).numpy().copy()


@pytest.mark.parametrize("model", MODELS, ids=("small", "middle", "large", "cnn"))
def test_loops(race, figure, pace, model):
    loops = Loops(model)
    contestants = {name: loops.contestant(*form) for name, form in FORMS.items()}
    contestants["nobody"] = loops.without_optimiser()
    seconds = race(contestants, 1, RTOL, model.rounds)
    if seconds is None:
        return
    seconds = {name: taken / model.lap for name, taken in seconds.items()}
    aimed = model is MODELS[0]  # the others have no targets
    for ours in SAID:
        figure(f"{model.name}, {SAID[ours]}", seconds[ours] * 1e6, "µs")
        for peer in FORMS:
            if peer.startswith("PyTorch"):
                least = LEAST[ours].get(peer) if aimed else None
                target = {} if least is None else {"least": least}
                figure(f"  {peer} over {ours}", seconds[peer] / seconds[ours], "×", **target)
        target = {"most": SHARE} if aimed and ours == "flat" else {}
        share = 100 * (1 - seconds["nobody"] / seconds[ours])
        figure(f"  {model.name}, {SAID[ours]}, the optimiser's share", share, "%", **target)
    for name in FORMS:
        pace(model.name, name, seconds[name], seconds["PyTorch default"])
