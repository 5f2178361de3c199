"""One picture per question: time against size where sizes were timed, and every ratio beside its target."""

import math

import table
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fastopt.cli.compare.picture import COLOURS

PACES = ("0.78", COLOURS[4], COLOURS[0], COLOURS[1], COLOURS[3])  # the last two are fastopt's
OURS = {"separate": "fastopt.torch", "flat": "fastopt.torch, flat=True"}


def draw(benchmarks, folder):
    """Write ``QUESTION.png`` for each question that was asked; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found, paths = table.rows(benchmarks), []
    for question, title in table.QUESTIONS.items():
        panels = panels_of(question, benchmarks, [row for row in found if row.question == question])
        if panels:
            paths.append(folder / f"{question}.png")
            picture(title, panels, paths[-1])
    return paths


def panels_of(question, benchmarks, rows):
    """Functions that each draw one panel on axes."""
    if found := paces_of(question, benchmarks):
        return [lambda axes: paces(axes, found)]  # instead of the ratios: they are of the same
    out, curves = [], curves_of(question, benchmarks)
    out += [lambda axes, t=title, ls=lines: sizes(axes, t, ls) for title, lines in sorted(curves.items())]
    out += [
        lambda axes, t=title, rs=some: ratios(axes, t, rs)
        for title, some in grouped(rows).items()
        if title not in curves
    ]
    aimed = [row for row in rows if "most" in row.figure]
    if aimed and not any(row.peers for row in rows):
        out.append(lambda axes: shares(axes, aimed))
    return out


def curves_of(question, benchmarks):
    """Points by title and line."""
    curves = {}
    for benchmark in benchmarks:
        if f"test_{question}.py" in benchmark["fullname"]:
            for title, lines in benchmark["extra_info"].get("curves", {}).items():
                for name, points in lines.items():
                    curves.setdefault(title, {}).setdefault(name, []).extend(points)
    return curves


def paces_of(question, benchmarks):
    """By work, who is how many times as fast as the first."""
    found = {}
    for benchmark in benchmarks:
        if f"test_{question}.py" in benchmark["fullname"]:
            found |= benchmark["extra_info"].get("paces", {})
    return found


def grouped(rows):
    """Rows with peers, those that differ in the last word of their work together; the rest together, too."""
    out = {}
    for row in rows:
        if row.peers:
            out.setdefault(row.work.rpartition(", ")[0], []).append(row)
    rest = [row for some in out.values() if len(some) < 3 for row in some]
    return {title: some for title, some in out.items() if len(some) > 2} | ({"": rest} if rest else {})


def picture(title, panels, path, description=""):
    wide = 1 if len(panels) == 1 else 2
    high = math.ceil(len(panels) / wide)
    figure = Figure(figsize=(6.5 * wide, 4.2 * high + 0.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=15, fontweight="bold", x=0.02, ha="left")
    axes = figure.subplots(high, wide, squeeze=False).ravel()
    for place, panel in zip(axes, panels):
        place.grid(which="major", color="0.9", linewidth=0.8)
        place.set_axisbelow(True)
        place.spines[["top", "right"]].set_visible(False)
        panel(place)
        place.tick_params(which="both", length=0)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    figure.savefig(path, metadata={"Description": description} if description else None)


def sizes(axes, title, lines):
    """Time per step against size; the limit is dashed."""
    for k, (name, points) in enumerate(lines.items()):
        points = sorted(points, key=lambda point: point["size"])
        n, us = [p["size"] for p in points], [1e6 * p["median"] for p in points]
        limit = name == "the limit"
        style = {"color": "0.5" if limit else COLOURS[k % 7], "linestyle": "--" if limit or k >= 7 else "-"}
        axes.plot(n, us, label=name, linewidth=2.4 if name == "fastopt" else 1.4, **style)
        axes.fill_between(n, *([1e6 * p[q] for p in points] for q in ("q1", "q3")), color=style["color"], alpha=0.15)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("elements")
    axes.set_ylabel("µs per step")
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=8, ncols=2 if len(lines) > 7 else 1)


def ratios(axes, title, rows):
    """Each peer's time over fastopt's: a point with quartiles, and a tick at the target."""
    columns = list(dict.fromkeys(table.column(peer)[0] for row in rows for peer in row.peers))
    seen = set()
    for height, row in enumerate(rows):
        for peer, ratio in row.peers.items():
            name = table.column(peer)[0]
            colour = COLOURS[columns.index(name) % 7]
            label = None if name in seen else name
            seen.add(name)
            axes.plot([ratio["q1"], ratio["q3"]], [height] * 2, color=colour, linewidth=2, alpha=0.4)
            axes.plot(ratio["median"], height, "o", color=colour, markersize=6, label=label)
            if "least" in ratio:
                axes.plot(ratio["least"], height, "|", color=colour, markersize=11, markeredgewidth=1.6)
    heights(axes, [row.work.removeprefix(title).lstrip(", ") for row in rows])
    log_ratio(axes)
    axes.set_xlabel("time over fastopt's (| target)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1, 0.99), handletextpad=0.1)


def bars(axes, rows):
    """Each peer's time over fastopt's as a bar. ``rows``: ``(work, {peer: ratio})``."""
    flat = [(work, peer, ratio) for work, peers in rows for peer, ratio in peers.items()]
    for height, (_, _, ratio) in enumerate(flat):
        axes.barh(height, ratio - 1, left=1, color=COLOURS[0] if ratio >= 1 else COLOURS[3], height=0.7)
        axes.text(max(ratio, 1) * 1.04, height, table.number(ratio), va="center", fontsize=8)
    heights(axes, [f"{work}: {peer}" for work, peer, _ in flat])
    log_ratio(axes)
    axes.set_xlim(right=max(ratio for _, _, ratio in flat) * 1.6)
    axes.set_title("times as long as fastopt", loc="left", fontsize=11)


def paces(axes, works):
    """How many times as fast as the first each is: a bar with quartiles. ``works``: ``{work: {name: pace}}``."""
    names = list(dict.fromkeys(name for found in works.values() for name in found))
    width = 0.86 / len(names)
    for k, name in enumerate(names):
        found = [(at, one[name]) for at, one in enumerate(works.values()) if name in one]
        x = [at + (k - (len(names) - 1) / 2) * width for at, _ in found]
        axes.bar(x, [one["median"] for _, one in found], 0.92 * width, color=PACES[k % len(PACES)], label=said(name))
        for place, (_, one) in zip(x, found):
            axes.plot([place] * 2, [one["q1"], one["q3"]], color="0.2", linewidth=0.8)
            axes.text(place, max(one["q3"], one["median"]) + 0.02, f"{one['median']:.2f}", ha="center", fontsize=7)
    axes.grid(visible=False, axis="x")
    axes.set_xticks(range(len(works)), [caption(work, found) for work, found in works.items()], fontsize=8)
    axes.set_ylim(top=1.12 * max(one["q3"] for found in works.values() for one in found.values()))
    axes.set_title(f"steps per second over those of {said(names[0])}", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def said(name):
    return OURS.get(name, name)


def caption(work, found):
    """The work, and what 1 is."""
    first = next(iter(found.values()))
    return f"{work.replace(', ', chr(10))}\n1 is {table.number(first['per_second'])} a second"


def shares(axes, rows):
    """What was measured over the most that it should be."""
    for height, row in enumerate(rows):
        low, mid, high = (row.figure[q] / row.figure["most"] for q in ("q1", "median", "q3"))
        axes.plot([low, high], [height] * 2, color=COLOURS[0], linewidth=2, alpha=0.4)
        axes.plot(mid, height, "o", color=COLOURS[0] if mid <= 1 else COLOURS[3], markersize=6)
    heights(axes, [row.work for row in rows])
    axes.set_xlim(left=0)
    axes.axvline(1, color="0.4", linewidth=1)
    axes.set_xlabel("measured over the target")


def heights(axes, labels):
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def log_ratio(axes):
    axes.set_xscale("log")
    axes.axvline(1, color="0.4", linewidth=1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
