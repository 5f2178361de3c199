"""The picture of a comparison: how far from the optimum each rule is, by epochs and by seconds."""

import math

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from .outcome import CLOSE, Outcome
from .rates import ON_ALL
from .run import Run
from .task import NAMES

# Okabe and Ito's colours, told apart with any colour vision; each seven rules have lines of another kind.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
DASHES = ("-", (0, (4, 1.6)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (2, 1)), (0, (9, 2, 2, 2)))
ROW = 0.25  # inches of a line of the legend
FLOOR, TINY = 1e-3, 1e-300  # a gap, in %, and an objective that are less are drawn there: the axis has no 0
SMALL = {"loc": "left", "fontsize": 10, "color": "0.35"}
CEILING = 10.0  # times the height at the start: what diverged is cut off there


def draw(outcome: Outcome, path: str):
    """One line per rule, of its serial runs; on the GPU, where there are no others."""
    runs = [run for run in outcome.runs if run.target == outcome.runs[0].target]
    figure = Figure(figsize=(12, max(6.4, ROW * (len(runs) + 3))), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    by_epoch, by_second = figure.subplots(1, 2, sharey=True)
    lines = {}
    for k, run in enumerate(runs):
        style = {"color": COLOURS[k % 7], "linestyle": DASHES[k // 7 % len(DASHES)]}
        heights = heights_of(outcome, run)
        for axes, x, first in ((by_epoch, run.epochs, 0), (by_second, run.seconds, 1)):  # log(0 s) has no place
            axes.plot(x[first:], heights[first:], linewidth=0.6, alpha=0.22, color=style["color"])
            (lines[run.rule.name],) = axes.plot(x[first:], smooth(heights)[first:], linewidth=1.9, **style)
            if not run.diverged:
                axes.plot(x[-1:], heights[-1:], "o", color=style["color"], markersize=4.5, clip_on=False, zorder=3)
    decorate(outcome, by_epoch, by_second)
    ranked = sorted(runs, key=lambda run: math.inf if run.diverged else run.loss)
    figure.legend(
        [lines[run.rule.name] for run in ranked],
        [caption(outcome, run) for run in ranked],
        title="at the end, best first",
        loc="outside right center",
        frameon=False,
        handlelength=2.6,
        labelspacing=0.75,
    )
    task = outcome.task
    title = f"{NAMES[task.model]} on {task.data}: {len(runs)} rules, {task.size} parameters"
    figure.suptitle(title, fontsize=15, fontweight="bold", x=0.02, ha="left")
    figure.savefig(path)


def smooth(heights: list[float]) -> list[float]:
    """Geometric means over a window that narrows towards both ends, so that the last value is the last value."""
    n = len(heights)
    widest, logs = n // 12, [math.log(h) for h in heights]
    reach = [min(k, n - 1 - k, widest) for k in range(n)]
    return [math.exp(math.fsum(logs[k - r : k + r + 1]) / (2 * r + 1)) for k, r in enumerate(reach)]


def heights_of(outcome: Outcome, run: Run) -> list[float]:
    """The gap in %, or the objective where there is no optimum; what diverged leaves the picture at the top."""
    optimum = outcome.task.optimum
    if optimum.refusal or optimum.loss is None:
        heights, floor = run.losses, TINY
    else:
        heights, floor = [100 * (loss / optimum.loss - 1) for loss in run.losses], FLOOR
    top = 10 * CEILING * heights[0]
    return [max(floor, min(h, top)) if math.isfinite(h) else top for h in heights]


def caption(outcome: Outcome, run: Run) -> str:
    gap = outcome.gap(run)
    if run.diverged:
        end = "diverged"
    elif gap is None:
        end = f"{run.loss:.4g}"
    elif gap < FLOOR:
        end = f"< {FLOOR:g} %"
    else:
        end = f"{gap:.2g} %" if gap < 10 else f"{gap:.0f} %"
    return f"{run.rule.name}  {end}"


def decorate(outcome: Outcome, by_epoch, by_second):
    gapless = bool(outcome.task.optimum.refusal)
    for axes in (by_epoch, by_second):
        axes.grid(which="major", color="0.88", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(which="both", length=0)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if gapless else (1,), numticks=12))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}" if gapless else f"{y:g} %"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        if not gapless:
            axes.axhline(CLOSE, color="0.45", linewidth=1, linestyle=":", zorder=0)
    start = max(heights_of(outcome, run)[0] for run in outcome.runs)
    by_epoch.set_ylim(top=min(by_epoch.get_ylim()[1], CEILING * start))
    by_epoch.set_ylabel("objective" if gapless else "objective above SciPy's optimum")
    by_epoch.set_title("thin: after each epoch; thick: smoothed", **SMALL)
    by_epoch.set_xlim(0, outcome.settings.epochs)
    by_epoch.set_xlabel(f"epochs ({outcome.settings.per_epoch} updates in each)")
    by_epoch.xaxis.set_major_locator(MaxNLocator(integer=True))
    on_all = dict.fromkeys(run.rule.name for run in outcome.runs if run.rule.name in ON_ALL)
    if on_all:
        by_second.set_title(f"{', '.join(on_all)}: on all examples", **SMALL)
    by_second.set_xscale("log")
    by_second.set_xlabel("time of training")
    by_second.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    by_second.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} s" if x >= 1 else f"{1000 * x:g} ms"))
    by_second.xaxis.set_minor_formatter(NullFormatter())
