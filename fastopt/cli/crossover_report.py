"""What ``fastopt crossover`` prints and draws."""

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..rules import Rule
from .compare import BadInput
from .crossover import SIZES, Crossover, beats_from, measure, no_cuda
from .same_bytes import bytes_moved

CPU = ("serial", "parallel")  # targets


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
    """From where a target beats the others; what fastopt does unasked; the limits; and why there is no GPU."""
    cpu = [name for name in found.seconds if name in CPU]
    lines = [verdict(found, "parallel", ["serial"], "serial")] if "parallel" in cpu else []
    if lines:
        lines.append(f"unasked, fastopt takes threads from {found.threshold} on")
    else:
        lines.append("there is one thread only: nothing to compare it with")
    for name in found.seconds:
        if name not in CPU:
            lines.append(verdict(found, name, cpu, "the CPU") + " (steps queued one after the other, then one wait)")
    for device, bandwidth in found.bandwidth.items():
        lines.append(f"limit of {device}: {speed(bandwidth)}, by a kernel that moves the same bytes")
    piece = no_cuda()
    return lines if piece is None or "cuda" in found.seconds else [*lines, f"no cuda: {piece}"]


def verdict(found: Crossover, winner: str, losers: list[str], called: str) -> str:
    start = beats_from(found, winner, *losers)
    where = f"from {start:.2g} elements on" if start else f"at no size up to {found.sizes[-1]}"
    return f"{found.rule.name}, {found.dtype}: {winner} beats {called} {where}"


def speed(bandwidth: float) -> str:
    """Three digits."""
    return f"{float(f'{bandwidth / 1e9:.3g}'):g} GB/s"


def draw(found: Crossover, path: str):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from .compare.picture import COLOURS

    figure = Figure(figsize=(8, 5.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for colour, (name, seconds) in zip(COLOURS, found.seconds.items()):
        axes.loglog(found.sizes, [1e6 * s for s in seconds], "o-", color=colour, markersize=4, label=name)
    for style, (device, bandwidth) in zip(("--", "-."), found.bandwidth.items()):
        limit = [1e6 * bytes_moved(found.rule, found.dtype, size) / bandwidth for size in found.sizes]
        label = f"{speed(bandwidth)} of {device}"
        axes.loglog(found.sizes, limit, style, color="0.4", linewidth=1, label=label)
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
