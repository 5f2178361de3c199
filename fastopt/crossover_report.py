"""What ``fastopt crossover`` prints and draws."""

import sys
from itertools import pairwise

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .compare import BadInput
from .crossover import SIZES, Crossover, beats_from, measure
from .limit import bytes_moved
from .rules import Rule


def perform(rule: Rule, dtype: str, plot: str | None, console: Console, sizes=SIZES):
    """Measure with progress on stderr, print, and write the picture."""
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(f"{rule.name} {dtype}", total=len(sizes))
        found = measure(rule, dtype, sizes, lambda: bar.advance(task))
    console.print(table(found))
    console.print()
    for line in verdicts(found):
        console.print(line, soft_wrap=True, markup=False)
    if plot is not None:
        try:
            draw(found, plot)
        except OSError as error:
            raise BadInput(f"{error.filename} must be a file that can be written: {error.strerror}") from None
        print(f"wrote {plot}", file=sys.stderr)


def table(found: Crossover) -> Table:
    """Microseconds, a row per size."""
    out = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    out.add_column("elements", justify="right")
    for name in found.seconds:
        out.add_column(f"{name} (µs)", justify="right")
    out.add_column("fastest")
    for k, size in enumerate(found.sizes):
        taken = {name: seconds[k] for name, seconds in found.seconds.items()}
        out.add_row(str(size), *(f"{1e6 * s:.4g}" for s in taken.values()), min(taken, key=lambda name: taken[name]))
    return out


def verdicts(found: Crossover) -> list[str]:
    """Which target beats the one before it in the list, and from where; and what fastopt does unasked."""
    names, lines = list(found.seconds), []
    for slow, fast in pairwise(names):
        start = beats_from(found, fast, slow)
        where = f"from {start:.2g} elements on" if start else f"at no size up to {found.sizes[-1]}"
        lines.append(f"{found.rule.name}, {found.dtype}: {fast} beats {slow} {where}")
    if "parallel" in names:
        lines.append(f"unasked, fastopt takes threads from {found.threshold} on")
    else:
        lines.append("there is one thread only: nothing to compare it with")
    lines.append(f"limit: {found.bandwidth / 1e9:.3g} GB/s, by a kernel that moves the same bytes")
    return lines


def draw(found: Crossover, path: str):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from .compare.picture import COLOURS

    figure = Figure(figsize=(8, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for colour, (name, seconds) in zip(COLOURS, found.seconds.items()):
        axes.loglog(found.sizes, [1e6 * s for s in seconds], "o-", color=colour, markersize=4, label=name)
    limit = [1e6 * bytes_moved(found.rule, found.dtype, size) / found.bandwidth for size in found.sizes]
    axes.loglog(found.sizes, limit, "--", color="0.4", linewidth=1, label=f"{found.bandwidth / 1e9:.3g} GB/s")
    if "parallel" in found.seconds:
        axes.axvline(found.threshold, color="0.6", linewidth=1, linestyle=":", label="fastopt takes threads")
    axes.set_xlabel("elements")
    axes.set_ylabel("µs per step")
    axes.set_title(f"One step of {found.rule.name}, {found.dtype}", loc="left", fontsize=13, fontweight="bold")
    axes.grid(which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.legend(frameon=False)
    figure.savefig(path)
