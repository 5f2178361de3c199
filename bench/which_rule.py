"""What `fastopt compare` found of each rule, as the manual's table; run again by the commands in RUNS."""

import json
from pathlib import Path

import fastopt

RESULTS = Path(__file__).parent / "results" / "compare"
RUNS = {
    "digits-softmax": "fastopt compare --data digits --json bench/results/compare/digits-softmax.json",
    "digits-mlp": "fastopt compare --data digits --model mlp --epochs 20 --json bench/results/compare/digits-mlp.json",
}
HEAD = ("rule", "state arrays", "lr", "to 10 %", "to 1 %", "in the end, %", "network: lr", "loss", "accuracy, %")


def markdown():
    """A GitHub table with a row for each rule that was run."""
    convex, network = (json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in RUNS)
    lines = [f"| {' | '.join(HEAD)} |", "|---|" + "---:|" * (len(HEAD) - 1)]
    for rule in fastopt.RULES:
        one, other = serial(convex, rule), serial(network, rule)
        if not (one and other):
            continue
        cells = [f"`fastopt.{rule.label}`", str(len(rule.state)), f"{one['lr']:g}"]
        cells += [str(epochs_to(gap, one["curve"], convex["optimum"]["loss"])) for gap in (0.1, 0.01)]
        cells += [
            f"{one['gap_percent']:.2f}",
            f"{other['lr']:g}",
            f"{other['loss']:.0f}",
            f"{100 * other['score']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def serial(run, rule):
    return next((one for one in run["runs"] if (one["rule"], one["target"]) == (rule.name, "serial")), None)


def epochs_to(gap, curve, optimum):
    """The first epoch whose loss is within this part of the optimum's; a dash if there is none."""
    found = (epoch for epoch, loss in zip(curve["epoch"], curve["loss"]) if loss <= optimum * (1 + gap))
    return next(found, "–")
