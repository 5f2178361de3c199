"""The dozen figures that the README shows, out of the committed results, and their picture."""

import json
from pathlib import Path
from typing import NamedTuple

import pictures
import table

RESULTS = Path(__file__).parent / "results"
PICTURE = "headlines.png"
BEGIN, END = "<!-- how fast: written by bench/report.py -->\n", "<!-- end of how fast -->\n"
CURVE = "Adam, float32"


class Headline(NamedTuple):
    """``what`` a user reads; ``work`` and ``peers`` as the results call them."""

    what: str
    work: str
    peers: tuple[str, ...]


FIGURES = {
    "amd-epyc-2-threads": (
        Headline(
            "Adam, a step of 1,000 parameters", "Adam, float32, 1000 elements", ("PyTorch fused", "optax", "NumPy")
        ),
        Headline("Adam, a step of 10⁷ parameters", "step of 10⁷, float32, adam", ("PyTorch fused", "optax")),
        Headline("NAdam, a step of 10⁷ parameters", "step of 10⁷, float32, nadam", ("PyTorch foreach",)),
        Headline(
            "Adam, a step of 100 packed arrays of 64",
            "100 packed arrays of 64, float32, list of gradients",
            ("PyTorch fused",),
        ),
        Headline("minimize, 10 dimensions, an iteration", "Rosenbrock, Adam, d = 10, inline", ("JAX scan",)),
        Headline(
            "curve_fit_many, 5,000 curves, four parameters",
            "5000 dose-response curves of 20 points",
            ("SciPy curve_fit", "JAX vmap"),
        ),
        Headline(
            "fit, a small network, an update",
            "fit, 64-64-10 network, batch 32, a step",
            ("PyTorch", "scikit-learn", "JAX scan"),
        ),
    ),
    "intel-r-xeon-r-processor-2-threads": (
        Headline(
            "minimize_many, 20,000 fits to a tolerance",
            "20000 exponential fits to gtol 1e-4, in any order",
            ("JAX vmap",),
        ),
    ),
    "nvidia-h200": (
        Headline("Adam, a step of 10⁸ parameters", "GPU, Adam on 10⁸ elements, float32", ("PyTorch fused", "copy")),
        Headline("Adam, a step of 1,000 parameters", "GPU, Adam, float32, 1000 elements", ("PyTorch fused",)),
        Headline(
            "Adam, a step of 100 packed arrays of 64",
            "GPU, Adam on 100 packed arrays of 64, float32",
            ("PyTorch fused",),
        ),
        Headline(
            "minimize_many, 20,000 fits of 300 iterations",
            "GPU, 20000 exponential fits, 300 iterations each",
            ("CPU",),
        ),
    ),
}
# What the README calls the others.
SAID = {
    "PyTorch fused": "PyTorch's fused kernel",
    "PyTorch foreach": "PyTorch (which has no fused kernel for it)",
    "JAX scan": "JAX",
    "JAX vmap": "JAX's vmap",
    "SciPy curve_fit": "a loop over SciPy's curve_fit",
    "copy": "a copy of as many bytes",
    "CPU": "fastopt on 16 cores of the host",
}


def load(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def section(runs):
    """The README's section. ``runs``: the committed results, by name."""
    lines = ["| | fastopt | the others, times as long |", "|---|---:|---|"]
    for name, headlines in FIGURES.items():
        rows = {row.work: row for row in table.rows(runs[name]["benchmarks"])}
        lines.append(f"| **{machine(runs[name])}** | | |")
        for one in headlines:
            row = rows[one.work]
            others = ", ".join(f"{SAID.get(peer, peer)} {table.number(ratio(row, peer))}×" for peer in one.peers)
            lines.append(f"| {one.what} | {taken(row.figure)} | {others} |")
    links = " and ".join(f"[{machine(runs[name])}](bench/results/{name}.md)" for name in FIGURES)
    return (
        f"![How many times as long as fastopt the others take](bench/results/{PICTURE})\n\n"
        + "\n".join(lines)
        + "\n\nSteps and the network are in float32, minimisations and fits in float64.\n"
        + f"All figures, with quartiles and versions: {links}.\n"
    )


def machine(run):
    about = run["machine_info"]
    return about.get("card") or f"{about['cpu']}, {about['threads']} threads"


def taken(figure):
    if figure["unit"] == "µs" and figure["median"] >= 1000:
        return f"{table.number(figure['median'] / 1000)} ms"
    return f"{table.number(figure['median'])} {figure['unit']}"


def ratio(row, peer):
    return row.peers[peer]["median"]


def with_section(readme, new, begin=BEGIN, end=END):
    """The README with the section between these lines replaced."""
    before, rest = readme.split(begin)
    return before + begin + new + rest[rest.index(end) :]


def draw(runs, path):
    """The picture; what the section says is kept in it as its description, so that it cannot be an old one unseen."""
    cpu, other, gpu = FIGURES
    curves = pictures.curves_of("step", runs[cpu]["benchmarks"])
    bars = {}
    for name in FIGURES:
        rows = {row.work: row for row in table.rows(runs[name]["benchmarks"])}
        bars[name] = [(one.what, {peer: ratio(rows[one.work], peer) for peer in one.peers}) for one in FIGURES[name]]
    panels = [
        lambda axes: pictures.sizes(axes, f"a step of Adam, float32: {machine(runs[cpu])}", curves[CURVE]),
        lambda axes: pictures.bars(
            axes, [*bars[cpu], *bars[other], *((f"{what} (GPU)", of) for what, of in bars[gpu])]
        ),
    ]
    pictures.picture("", panels, path, description=section(runs))
