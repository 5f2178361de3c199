"""A finished comparison as data, and as JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any

from .run import Run, Settings
from .task import Task

CLOSE = 1.0  # % above the optimum: a run that ends farther off is marked


@dataclass(frozen=True)
class Outcome:
    task: Task
    settings: Settings
    runs: list[Run]

    def gap(self, run: Run) -> float | None:
        """In % of SciPy's optimum; None where it is not defined."""
        optimum = self.task.optimum
        if run.diverged or optimum.refusal or optimum.loss is None:
            return None
        return run.gap(optimum.loss)

    def is_far(self, run: Run) -> bool:
        gap = self.gap(run)
        return run.diverged or (gap is not None and gap > CLOSE)


def as_json(outcome: Outcome) -> str:
    """Numbers in full; null where one is undefined or not finite."""
    task, settings, optimum = outcome.task, outcome.settings, outcome.task.optimum
    return json.dumps(
        plain(
            {
                "data": task.data,
                "model": task.model,
                "parameters": task.size,
                "examples": {"train": len(task.examples.y), "held_out": len(task.examples.y_held)},
                "l2": task.l2,
                "epochs": settings.epochs,
                "updates_per_epoch": settings.per_epoch,
                "batch_size": settings.batch_size,
                "seed": settings.seed,
                "score": task.score_name,
                "optimum": {"loss": optimum.loss, "score": optimum.score, "no_gap_because": optimum.refusal},
                "runs": [run_as_dict(outcome, run) for run in outcome.runs],
            }
        ),
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )


def run_as_dict(outcome: Outcome, run: Run) -> dict[str, Any]:
    return {
        "rule": run.rule.name,
        "target": run.target,
        "lr": run.lr,
        "loss": run.loss,
        "gap_percent": outcome.gap(run),
        "score": run.score,
        "us_per_update": run.us_per_update,
        "us_per_step": run.us_per_step,
        "diverged": run.diverged,
        "curve": {"epoch": run.epochs, "seconds": run.seconds, "loss": run.losses},
    }


def plain(value):
    """The value with None for every float that JSON does not know."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
