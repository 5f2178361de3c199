"""What is shown on stderr while a comparison runs: a bar in a terminal, else one line per finished run."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from .run import Run

REFRESH = 0.1  # seconds. No refreshing thread, which would disturb what is timed: ``tick`` does it, off the clock.


class Live:
    """A context. ``say`` what is going on; ``begin``, ``tick`` and ``finish`` each run."""

    def __init__(self, runs: int, epochs: int):
        self.console = Console(stderr=True, highlight=False)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[loss]}"),
            console=self.console,
            transient=True,
            auto_refresh=False,
            disable=not self.console.is_terminal,
        )
        self.epochs, self.done, self.shown = epochs, 0, 0.0
        self.task = self.bar.add_task("", total=runs * epochs, loss="")

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def say(self, text: str):
        self.bar.update(self.task, description=text, refresh=True)

    def begin(self, rule: str, target: str):
        self.began = time.perf_counter()
        self.say(f"{rule:9} {target:8}")

    def tick(self, epoch: int, loss: float):
        now = time.perf_counter()
        if now - self.shown > REFRESH:
            self.shown = now
            completed = self.done * self.epochs + epoch
            self.bar.update(self.task, completed=completed, loss=f"loss {loss:.6g}", refresh=True)

    def finish(self, run: Run):
        self.done += 1
        self.bar.update(self.task, completed=self.done * self.epochs)
        if not self.console.is_terminal:
            outcome = "diverged" if run.diverged else f"loss {run.loss:.6g}"
            seconds = time.perf_counter() - self.began
            print(f"{run.rule.name} {run.target}: {outcome} ({seconds:.2f} s)", file=sys.stderr, flush=True)
