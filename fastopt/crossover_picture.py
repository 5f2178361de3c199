"""The picture of ``fastopt crossover``: time per step against size, both logarithmic."""

from itertools import pairwise

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .crossover import LIMIT, Times, crossover
from .kernels import cpu

COLOURS = ("#0072B2", "#D55E00", "#009E73")


def draw(runs: list[Times], path: str):
    """One panel per run (a rule and a dtype)."""
    figure = Figure(figsize=(6.4 * len(runs), 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, times in zip(panels, runs):
        _panel(axes, times)
    panels[0].set_ylabel("time of a step")
    figure.savefig(path)


def _panel(axes, times):
    microseconds = {name: [1e6 * s for s in column] for name, column in times.seconds.items()}
    names = [name for name in microseconds if name != LIMIT]
    for name, colour in zip(names, COLOURS):
        axes.plot(times.sizes, microseconds[name], "o-", color=colour, linewidth=1.9, markersize=4, label=name)
    per_element = microseconds[LIMIT][-1] / times.sizes[-1]
    line = [per_element * size for size in times.sizes]
    axes.plot(times.sizes, line, ":", color="0.4", linewidth=1.4, label="memory bandwidth")
    for slow, fast in pairwise(names):
        size = crossover(times.sizes, times.seconds[slow], times.seconds[fast])
        if size is not None and size > times.sizes[0]:
            axes.axvline(size, color="0.75", linewidth=1, zorder=0)
            axes.annotate(
                f"{fast} wins", (size, 0.97), xycoords=("data", "axes fraction"), xytext=(4, 0),
                textcoords="offset points", color="0.35", fontsize=9,
            )  # fmt: skip
    threshold = cpu.threshold(times.rule, times.dtype)
    axes.axvline(threshold, color="0.75", linewidth=1, linestyle="--", zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="elements")
    axes.set_title(f"{times.rule.name}, {times.dtype}", loc="left", fontweight="bold")
    shown = [time for name in names for time in microseconds[name]]
    axes.set_ylim(0.5 * min(shown), 2 * max(shown))
    axes.grid(which="major", color="0.88", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} µs" if y < 1000 else f"{y / 1000:g} ms"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, loc="lower right", title=f"dashed: default threshold, {threshold}")
