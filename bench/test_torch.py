"""A step of `fastopt.torch`'s optimisers beside those of torch.optim, with PyTorch's threads as they are.

A lap is many steps, and between them gradients are kept: the same tensors with the same values. With fresh ones, other
tensors are assigned before each step, and what the assigning alone takes in the same round is taken off. (In a training
loop Python's part of each gradient is new, too, which all contestants pay for: test_training_loops.py has that.)
"""

from itertools import cycle

import numpy as np
import pytest
from conftest import Contestant
from step_peers import TORCH, Start

import fastopt

torch = pytest.importorskip("torch")

from fastopt.torch import class_of  # noqa: E402

STEPS, RTOL = 5, 1e-5  # before the race, to compare results
ROUNDS, ROUNDS_OF_LARGE, LARGE = 400, 40, 10**7
SMALL = ((64,),) * 100
MLP = ((64, 8), (64,), (64, 64), (64,), (1, 64), (1,))
SIX = "six tensors of an 8-64-64-1 MLP, float32"
ADAM = {"PyTorch fused": 4, "PyTorch default": 10}  # how many times as long they should take on the six
SETS = 4  # of fresh gradients
BY_NAME = {rule.name: rule for rule in fastopt.RULES}


class Steps:
    """Contestants that step tensors of these shapes by a rule, all from the same start."""

    def __init__(self, name, shapes):
        self.rule, self.ends = BY_NAME[name], np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
        self.shapes, self.start = shapes, Start(self.rule, int(self.ends[-1]), "float32", STEPS)

    def tensors(self, a):
        return [torch.tensor(one.reshape(shape)) for one, shape in zip(np.split(a, self.ends[:-1]), self.shapes)]

    def params(self):
        params = self.tensors(self.start.p)
        for p, g in zip(params, self.tensors(self.start.g)):
            p.requires_grad_().grad = g
        return params

    def stepping(self, cls, **options):
        params = self.params()
        return self.start.contestant(cls(params, **options).step, lambda: joined(params))

    def fresh(self, cls, **options):
        """Each step gets gradients of its own."""
        params = self.params()
        assign, step = self.assigning(params), cls(params, **options).step

        def both():
            assign()
            step()

        return self.start.contestant(both, lambda: joined(params))

    def assigning(self, params):
        sets = cycle([self.tensors(self.start.g) for _ in range(SETS)])

        def assign():
            for p, g in zip(params, next(sets)):
                p.grad = g

        return assign

    def only_assigning(self):
        params = self.params()
        return Contestant(self.assigning(params), lambda: joined(p.grad for p in params), self.start.g)

    def all(self, contestant):
        """Ours, and the forms of theirs: fused where the CPU has such a kernel, foreach, and what is the default."""
        name, keywords = TORCH[self.rule.name]
        forms = {"PyTorch fused": {"fused": True}} if "fused" in keywords else {}
        forms |= {"PyTorch foreach": {"foreach": True}, "PyTorch default": {}}
        theirs = getattr(torch.optim, name)
        ours = {"fastopt": contestant(class_of(self.rule))}
        return ours | {form: contestant(theirs, **options) for form, options in forms.items()}


def joined(tensors):
    return torch.cat([t.detach().ravel() for t in tensors]).numpy()


def figures(figure, work, seconds, least, unit="µs"):
    figure(work, seconds["fastopt"] * {"µs": 1e6, "ms": 1e3}[unit], unit)
    if "flat" in seconds:
        figure(f"  {work}, flat=True", seconds["flat"] * 1e6, "µs")
    for peer in seconds:
        if peer.startswith("PyTorch"):
            target = {"least": least[peer]} if peer in least else {}
            figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×", **target)


@pytest.mark.parametrize(
    ("work", "shapes", "least"),
    [
        ("100 tensors of 64, float32, Adam", SMALL, {"PyTorch fused": 8, "PyTorch default": 30}),
        (f"{SIX}, Adam", MLP, ADAM),
    ],
    ids=["many", "mlp"],
)
def test_adam(race, figure, work, shapes, least):
    steps = Steps("adam", shapes)
    flat = steps.stepping(class_of(steps.rule), flat=True)
    seconds = race(steps.all(steps.stepping) | {"flat": flat}, STEPS, RTOL, ROUNDS)
    if seconds is not None:
        figures(figure, work, seconds, least)


def test_fresh_gradients(race, figure):
    steps = Steps("adam", MLP)
    seconds = race(steps.all(steps.fresh) | {"assigning": steps.only_assigning()}, STEPS, RTOL, ROUNDS)
    if seconds is not None:
        alone = seconds.pop("assigning")
        figures(figure, f"{SIX}, Adam with fresh gradients", {k: s - alone for k, s in seconds.items()}, {})


@pytest.mark.parametrize("name", ["nadam", "radam", "adamax", "adadelta", "rmsprop"])
def test_without_fused(race, figure, name):
    """Rules for which PyTorch has no fused kernel: the target counts for its fastest form."""
    steps = Steps(name, MLP)
    seconds = race(steps.all(steps.stepping), STEPS, RTOL, ROUNDS)
    if seconds is not None:
        fastest = min([peer for peer in seconds if peer != "fastopt"], key=lambda peer: np.median(seconds[peer]))
        figures(figure, f"{SIX}, {steps.rule.label}", seconds, {fastest: 12})


def test_large(race, figure):
    steps = Steps("adam", ((LARGE,),))
    seconds = race(steps.all(steps.stepping), STEPS, RTOL, ROUNDS_OF_LARGE)
    if seconds is not None:
        figures(figure, "one tensor of 10⁷, float32, Adam", seconds, {"PyTorch fused": 1.0}, "ms")
