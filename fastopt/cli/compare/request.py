"""What ``fastopt compare`` was asked for: checked before anything runs, then carried out."""

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from ...errors import shorten
from ...rules import RULES, Rule
from . import BadInput, chosen
from .data import MODELS, default_model, load
from .devices import check_devices, places
from .outcome import Outcome, as_json
from .progress import Live
from .report import show
from .run import Run, settings_for, train
from .task import Task, make_task

PICTURES = (".png", ".svg", ".pdf")
HIDDEN = 64


@dataclass(frozen=True)
class Request:
    data: str
    model: str | None
    hidden: int | None
    l2: float
    rules: list[str]
    devices: list[str]
    epochs: int | None
    batch_size: int
    lr: float | None
    seed: int
    plot: str | None
    json: str | None


def perform(request: Request, console: Console):
    rules = check(request)
    table = load(request.data)
    model = request.model or default_model(table)
    if request.hidden is not None and model != "mlp":
        raise BadInput(f"--hidden must come with --model mlp, got --model {model}")
    task = make_task(table, model, request.l2, request.hidden or HIDDEN, request.seed)
    with threadpool_limits(1, user_api="blas"):  # else BLAS competes for the threads of the parallel kernels
        outcome = run_all(task, rules, request)
    show(outcome, console)
    write(outcome, request)


def run_all(task: Task, rules: list[Rule], request: Request) -> Outcome:
    settings = settings_for(task, request.epochs, request.batch_size, request.seed, request.lr)
    where = places(task, request.devices)
    pairs = [(rule, place) for rule in rules for place in where]
    runs = []
    with Live(len(pairs), settings.epochs) as live:
        live.say("SciPy's optimum")
        _ = task.optimum
        for rule, place in pairs:
            live.begin(rule.name, place.target)
            runs.append(trained(task, rule, place, settings, live.tick))
            live.finish(runs[-1])
    return Outcome(task, settings, runs)


def trained(task: Task, rule: Rule, *others) -> Run:
    try:
        return train(task, rule, *others)
    except TypeError as error:
        if rule in RULES:
            raise
        raise BadInput(str(error)) from error  # a user's rule that does not compile


def write(outcome: Outcome, request: Request):
    """The files; what was possible before the runs (see ``check_path``) may have become impossible since."""
    try:
        if request.json:
            Path(request.json).write_text(as_json(outcome), encoding="utf-8")
        if request.plot:
            from .picture import draw

            draw(outcome, request.plot)
    except OSError as error:
        raise BadInput(f"{error.filename} must be a file that can be written: {error.strerror}") from None
    for path in filter(None, (request.json, request.plot)):
        print(f"wrote {path}", file=sys.stderr)


def check(request: Request) -> list[Rule]:
    """Raise unless the options make sense; returns the rules."""
    for name, number in (
        ("--epochs", request.epochs),
        ("--batch-size", request.batch_size),
        ("--hidden", request.hidden),
    ):
        if number is not None and number < 1:
            raise BadInput(f"{name} must be at least 1, got {number}")
    if not 0 <= request.l2 < math.inf:
        raise BadInput(f"--l2 must be finite and at least 0, got {request.l2:g}")
    if request.lr is not None and not 0 < request.lr < math.inf:
        raise BadInput(f"--lr must be finite and greater than 0, got {request.lr:g}")
    if request.seed < 0:
        raise BadInput(f"--seed must be at least 0, got {request.seed}")
    if request.model is not None and request.model not in MODELS:
        raise BadInput(f"--model must be {', '.join(MODELS)}, got {request.model!r}")
    check_devices(request.devices)
    if request.plot is not None:
        check_picture(request.plot)
    if request.json is not None:
        check_path("--json", Path(request.json))
    rules = chosen(request.rules)
    for rule in rules:
        if "lr" not in rule.hyper:
            numbers = shorten(", ".join(rule.hyper), 80) or "nothing"
            raise BadInput(f"a rule must have lr to be compared, got {shorten(rule.name, 40)} with {numbers}")
    return rules


def check_picture(path: str):
    """Raise unless ``--plot`` can be written there."""
    if Path(path).suffix.lower() not in PICTURES:
        raise BadInput(f"--plot must end in {', '.join(PICTURES)}, got {path!r}")
    from . import picture  # noqa: F401  # matplotlib, if missing, is missed now

    check_path("--plot", Path(path))


def check_path(option: str, path: Path):
    if path.is_dir():
        raise BadInput(f"{option} must be a file that can be written, got the folder {path}")
    if not path.parent.is_dir():
        raise BadInput(f"{option} must be a file that can be written, got {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadInput(f"{option} must be a file that can be written, got {path}: permission denied")
