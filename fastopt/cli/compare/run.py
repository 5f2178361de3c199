"""Train a task's model with one rule on one target, and record what it took."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ...rules import RULES, Rule
from ...schedules import cosine
from ...step.constructors import CONSTRUCTORS
from ...step.optimizer import Optimizer
from ...train.fit import fit
from .rates import ON_ALL, rate
from .task import Task

UPDATES = 1380  # where no number of epochs is given: 60 epochs on digits
Tick = Callable[[int, float], None]


@dataclass(frozen=True)
class Settings:
    epochs: int
    per_epoch: int  # updates
    batch_size: int
    seed: int
    lr: float | None  # instead of each rule's own

    @property
    def updates(self) -> int:
        return self.epochs * self.per_epoch


@dataclass
class Run:
    """What became of it. The curve has the objective at the start and after each epoch, and the seconds until then,
    those not counted in which it was evaluated."""

    rule: Rule
    target: str
    lr: float
    epochs: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    score: float | None = None
    us_per_update: float = math.nan
    us_per_step: float = math.nan

    @property
    def loss(self) -> float:
        return self.losses[-1]

    @property
    def diverged(self) -> bool:
        return not self.loss <= self.losses[0]  # NaN too

    def gap(self, optimum: float) -> float:
        """In % of the optimum."""
        return 100 * (self.loss / optimum - 1)


def settings_for(task: Task, epochs: int | None, batch_size: int, seed: int, lr: float | None) -> Settings:
    n = len(task.examples.X)
    batch_size = min(batch_size, n)
    per_epoch = -(-n // batch_size)
    return Settings(epochs or max(5, round(UPDATES / per_epoch)), per_epoch, batch_size, seed, lr)


def train(task: Task, rule: Rule, place, settings: Settings, tick: Tick) -> Run:
    """All rules get the same number of updates; GD's are over all examples, the others' over minibatches."""
    lr = settings.lr or rate(rule, task)
    run = Run(rule, place.target, lr)

    def optimizer(params):
        made = CONSTRUCTORS[rule.label] if rule in RULES else partial(Optimizer, rule=rule)
        falling = lr if rule.evaluates else cosine(lr, settings.updates)  # the first do without
        return made(params, lr=falling, **place.options)

    with np.errstate(all="ignore"):  # a run that diverges says so in its row
        fit_with(optimizer(place.moved(task.start())), place, settings, 1)  # compiles, starts threads
        run.us_per_step = time_of_step(optimizer, task, place)
        params = place.moved(task.start())
        opt, every = optimizer(params), settings.per_epoch if rule.name in ON_ALL else 1
        recorder = Recorder(task, place, run, params, every, tick)
        fit_with(opt, place, settings, settings.epochs * every, recorder)
    run.us_per_update = 1e6 * run.seconds[-1] / (run.epochs[-1] * settings.per_epoch)
    with at_its_point(opt):
        run.score = None if run.diverged else task.score(place.on_host(params))
    return run


def fit_with(opt, place, settings: Settings, epochs: int, callback=None):
    batch_size = None if opt.rule.name in ON_ALL else settings.batch_size
    options = {"batch_size": batch_size, "epochs": epochs, "seed": settings.seed, "callback": callback}
    fit(place.loss, opt, place.data, reduction="mean", **options)


def at_its_point(opt):
    """A context in which the parameters are where the rule says that they are to be evaluated."""
    return opt.swapped() if opt.rule.evaluates else contextlib.nullcontext()


class Recorder:
    """The callback that evaluates the objective after each epoch, with the clock stopped, and ends a run that diverged.

    ``every`` is how many of fit's epochs make one here: GD, whose every update is an epoch to fit, is recorded after
    as many updates as the other rules.
    """

    def __init__(self, task: Task, place, run: Run, params, every: int, tick: Tick):
        self.task, self.place, self.run, self.params, self.every, self.tick = task, place, run, params, every, tick
        self.elapsed = self.resumed = 0.0
        self.record(0)

    def __call__(self, epoch, loss, opt):
        self.elapsed += time.perf_counter() - self.resumed
        if not math.isfinite(loss) or (epoch + 1) % self.every == 0:
            with at_its_point(opt):
                self.record((epoch + self.every) // self.every)
            if not math.isfinite(self.run.loss):
                raise StopIteration
        self.resumed = time.perf_counter()

    def record(self, epoch: int):
        run = self.run
        run.epochs.append(epoch)
        run.seconds.append(self.elapsed)
        run.losses.append(self.task.objective(self.place.on_host(self.params)))
        self.tick(epoch, run.loss)
        self.resumed = time.perf_counter()


def time_of_step(optimizer, task: Task, place, rounds: int = 5, steps: int = 50) -> float:
    """µs of ``opt.step`` alone, of many in a row: the best of some rounds."""
    start = task.start()
    grads = np.zeros_like(start) if isinstance(start, np.ndarray) else start.zeros_like()
    task.objective(start, grads)
    params, grads = place.moved(start), place.moved(grads)
    opt, best = optimizer(params), math.inf
    for _ in range(rounds):
        place.wait()
        began = time.perf_counter()
        for _ in range(steps):
            opt.step(grads)
        place.wait()
        best = min(best, time.perf_counter() - began)
    return 1e6 * best / steps
