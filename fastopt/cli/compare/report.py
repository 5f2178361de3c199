"""The table of a comparison, as wide as a terminal allows; whole in a pipe."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ...kernels.cpu import threshold
from .outcome import CLOSE, Outcome
from .rates import ON_ALL
from .run import Run
from .task import NAMES

KEYS = ("rule", "target")
MARK, NONE = "✗", "–"
OWN = "own"  # the rate of a rule that finds it itself


def show(outcome: Outcome, console: Console):
    def write(line, style=None):
        console.print(line, style=style, soft_wrap=not console.is_terminal, markup=False)

    for k, line in enumerate(head(outcome)):
        write(line, "bold" if k == 0 else None)
    rows = [cells(outcome, run) for run in outcome.runs]
    for columns in dealt(rows, console):
        console.print()
        console.print(table(outcome, rows, columns, tight=width(rows, columns) > console.width))
    for line in foot(outcome):
        write(line)


def cells(outcome: Outcome, run: Run) -> dict[str, str]:
    gap = outcome.gap(run)
    mark = f" {MARK}" if outcome.is_far(run) else "  "
    return {
        "rule": run.rule.name,
        "target": run.target,
        "lr": rate_of(run),
        "loss": "diverged" if run.diverged else number(run.loss),
        # + 0.0 for -0.000, where a rule ends below SciPy's optimum by rounding
        "gap %  ": (NONE if gap is None else f"{round(gap, 3) + 0.0:.3f}") + mark,
        "accuracy %" if is_accuracy(outcome) else f"held-out {outcome.task.score_name}": score(outcome, run.score),
        "µs/update": f"{run.us_per_update:.1f}",
        "µs/step": f"{run.us_per_step:.1f}",
    }


def rate_of(run: Run) -> str:
    if run.rule.rate_free:
        return OWN if run.lr == 1.0 else f"{run.lr:g}·{OWN}"
    return f"{run.lr:g}"


def number(x: float) -> str:
    return f"{x:.4f}" if x < 1e7 else f"{x:.7g}"


def is_accuracy(outcome: Outcome) -> bool:
    return outcome.task.score_name == "accuracy"


def score(outcome: Outcome, value: float | None) -> str:
    if value is None:
        return NONE
    return f"{100 * value:.2f}" if is_accuracy(outcome) else f"{value:.4f}"


def dealt(rows, console: Console) -> list[list[str]]:
    """The columns, dealt out over as many tables as it takes to keep each within the console's width."""
    tables = [list(KEYS)]
    for name in rows[0]:
        if name in KEYS:
            continue
        if width(rows, [*tables[-1], name]) > console.width and len(tables[-1]) > len(KEYS):
            tables.append(list(KEYS))
        tables[-1].append(name)
    return tables


def width(rows, columns) -> int:
    return sum(2 + max(len(name), *(len(row[name]) for row in rows)) for name in columns) - 2


def table(outcome: Outcome, rows, columns, tight: bool) -> Table:
    """With a space between the columns instead of two where the terminal is too narrow for one beside the keys."""
    out = Table(box=SIMPLE_HEAD, padding=0 if tight else (0, 1, 0, 0), show_edge=False, pad_edge=False)
    for name in columns:
        out.add_column(name, justify="left" if name in KEYS else "right", no_wrap=True)
    before = None
    for run, row in zip(outcome.runs, rows):
        style = "red" if outcome.is_far(run) else "dim" if run.rule is before else None
        out.add_row(*(row[name] for name in columns), style=style)
        before = run.rule
    return out


def head(outcome: Outcome) -> list[str]:
    task, settings, optimum = outcome.task, outcome.settings, outcome.task.optimum
    hidden = f" with {task.hidden} hidden units" if task.model == "mlp" else ""
    lines = [
        f"{NAMES[task.model]}{hidden} on {task.data}: {task.size} parameters",
        f"{len(task.examples.y)} examples to train on, {len(task.examples.y_held)} held out, seed {settings.seed}",
        f"{settings.epochs} epochs, {settings.per_epoch} updates in each, batches of {settings.batch_size}; "
        "lr falls to 0 along a cosine, but for rules that average",
        f"objective: Σ losses + ½·{task.l2:g}·‖θ‖²",
    ]
    if optimum.loss is not None and not optimum.refusal:
        percent = " %" if is_accuracy(outcome) else ""
        lines[-1] += f"; SciPy's optimum: {number(optimum.loss)}, {task.score_name} "
        lines[-1] += f"{score(outcome, optimum.score)}{percent}"
    return lines


def foot(outcome: Outcome) -> list[str]:
    task, runs = outcome.task, outcome.runs
    lines = ["", verdict(outcome)]
    on_all = dict.fromkeys(run.rule.name for run in runs if run.rule.name in ON_ALL)
    if on_all:
        who = f"{', '.join(on_all)} take{'s' if len(on_all) == 1 else ''}"
        lines.append(f"{who} as many updates as the others, each over all {len(task.examples.y)} examples")
    if task.model == "linear":
        lines.append("losses are of the standardised target")
    lines.append("µs/update is all of it (batch, loss, gradient, step), µs/step is opt.step alone, of many in a row;")
    lines.append("in float64, with BLAS on one thread")
    return lines + notes_on({run.target for run in runs}, task, min(threshold(run.rule, "float64") for run in runs))


def notes_on(targets, task, least) -> list[str]:
    lines = []
    if "parallel" in targets and task.size < least:
        lines.append(f"threads do not pay for {task.size} parameters: unasked, fastopt uses them from {least} on")
    if "serial" in targets and "parallel" not in targets:
        lines.append("no parallel rows: there is one thread only")
    if "cuda" in targets:
        lines.append("cuda: everything on the GPU, matrix products by simple kernels of fastopt's own")
    return lines


def verdict(outcome: Outcome) -> str:
    if outcome.task.optimum.refusal:
        return f"{NONE} no gap: {outcome.task.optimum.refusal}"
    rules = dict.fromkeys(run.rule.name for run in outcome.runs)
    far = dict.fromkeys(run.rule.name for run in outcome.runs if outcome.is_far(run))
    if not far:
        return f"all within {CLOSE:g} % of SciPy's optimum: {len(rules)} of {len(rules)} rules"
    close = len(rules) - len(far)
    return f"{close} of {len(rules)} rules end within {CLOSE:g} % of SciPy's optimum; {MARK} not: {', '.join(far)}"
