"""The table of a run: what was timed, how fastopt did, how many times as long each peer took, the targets."""

import math
import re
from dataclasses import dataclass, field

QUESTIONS = {
    "step": "One step",
    "many_arrays": "One step of many small arrays",
    "minimize": "A compiled minimisation",
    "minimize_many": "Many small minimisations",
    "curve_fits": "Many curve fits",
    "forward": "Only the value written",
    "fit": "Training",
    "torch": "Optimisers for PyTorch",
    "training_loops": "Training loops of PyTorch",
    "vector_maths": "Functions of mathematics in a loop",
    "subnormals": "Subnormal numbers",
    "latency": "Latency of a fresh process",
    "crossover": "From what size on threads pay",
    "growth": "Growth",
    "scale": "Beyond one machine",
    "gpu": "A step on a GPU",
}


@dataclass
class Row:
    """One work. ``peers``: how many times as long they took, as figures; ``allowed``: how many times the limit does."""

    question: str
    work: str
    figure: dict
    peers: dict = field(default_factory=dict)
    allowed: dict = field(default_factory=dict)

    def misses(self):
        """The targets that are not met, each with what the limit allows where that is less."""
        found = [] if met(self.figure) else ["itself"]
        for peer, figure in self.peers.items():
            if not met(figure):
                bound = self.allowed.get(peer)
                short = bound is not None and bound["median"] < figure["least"]
                found.append(f"{peer} (the limit allows {number(bound['median'])})" if short else peer)
        return found

    def targets(self):
        own = [f"{sign} {self.figure[key]:g} {self.figure['unit']}" for key, sign in SIGNS if key in self.figure]
        beside = [f"{column(peer)[0]} ≥ {figure['least']:g}" for peer, figure in self.peers.items() if aims(figure)]
        return list(dict.fromkeys(own + beside))


SIGNS = (("most", "≤"), ("least", "≥"))


def aims(figure):
    return "most" in figure or "least" in figure


def met(figure):
    return figure.get("least", -math.inf) <= figure["median"] <= figure.get("most", math.inf)


def rows(benchmarks):
    """``benchmarks``: those of a pytest-benchmark file, in the order of QUESTIONS."""
    found, last = [], None
    for benchmark in benchmarks:
        question = re.search(r"test_(\w+)\.py", benchmark["fullname"])[1]
        for what, figure in benchmark["extra_info"].get("figures", {}).items():
            against = re.fullmatch(r"  (.+) over (the limit|\w+)", what)
            if not against:
                found.append(Row(question, what.strip(), figure))
                last = last if what.startswith(" ") else found[-1]
            elif against[2] == "the limit":
                last.allowed[against[1]] = figure
            else:
                last.peers[against[1]] = figure
    return sorted(found, key=lambda row: list(QUESTIONS).index(row.question))


def column(peer):
    """``PyTorch fused`` stands in the column PyTorch, as fused."""
    name, _, variant = peer.removeprefix("the ").partition(" ")
    return name, variant


def number(x):
    """Three digits."""
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


def cells(row, columns):
    """``columns``: those of the peers."""
    figure = row.figure
    beside = {name: [] for name in columns}
    for peer, ratio in row.peers.items():
        name, variant = column(peer)
        unsteady = "~" if ratio["q3"] > 2 * ratio["q1"] else ""
        beside[name].append(f"{unsteady}{number(ratio['median'])} {variant}".strip())
    targets, misses = row.targets(), row.misses()
    verdict = f"no: {', '.join(misses)}" if misses else "yes" if targets else ""
    measured = f"{number(figure['median'])} {figure['unit']}"
    spread = f"{number(figure['q1'])}–{number(figure['q3'])}" if figure["q1"] < figure["q3"] else ""
    return [row.work, measured, spread, *(", ".join(texts) for texts in beside.values()), ", ".join(targets), verdict]


def tables(found):
    """By question, lines of cells; the first is the head."""
    out = {}
    for question, title in QUESTIONS.items():
        here = [row for row in found if row.question == question]
        columns = list(dict.fromkeys(column(peer)[0] for row in here for peer in row.peers))
        head = ["", "fastopt", "quartiles", *(f"{name} ×" for name in columns), "target", "met"]
        if here:
            out[title] = [head, *(cells(row, columns) for row in here)]
    return out


def tally(found):
    """How many targets there are, how many are met, and how many the limit itself puts out of reach."""
    figures = [figure for row in found for figure in (row.figure, *row.peers.values()) if aims(figure)]
    beyond = sum("the limit allows" in miss for row in found for miss in row.misses())
    return len(figures), sum(map(met, figures)), beyond


def text(found):
    blocks = []
    for title, lines in tables(found).items():
        widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
        blocks.append(title)
        for line in lines:
            middle = [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:])]
            blocks.append("  ".join([f"  {line[0].ljust(widths[0])}", *middle, line[-1]]).rstrip())
        blocks.append("")
    return "\n".join([*blocks, summary(found)])


def summary(found):
    targets, reached, beyond = tally(found)
    rest = f"; {beyond} of the others ask for more than the limit allows" if beyond else ""
    return f"{reached} of {targets} targets met{rest}."


def markdown(found, pictures):
    """A section for each question, with its picture if it has one. ``pictures``: paths named QUESTION.png."""
    drawn, blocks = {QUESTIONS[path.stem]: path for path in pictures}, []
    for title, (head, *body) in tables(found).items():
        blocks += [f"## {title}", ""]
        if title in drawn:
            blocks += [f"![{title}]({drawn[title].parent.name}/{drawn[title].name})", ""]
        blocks += ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 2) + "---|"]
        blocks += ["| " + " | ".join(line) + " |" for line in body]
        blocks.append("")
    return "\n".join(blocks)
