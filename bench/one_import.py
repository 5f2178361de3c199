"""What the README says of PyTorch's training loops, out of the committed results: a picture of them and a sentence."""

import headlines
import pictures
import table

QUESTION, MODEL = "training_loops", "MLP 8-64-64-1"
BEGIN, END = "<!-- training loops: written by bench/report.py -->\n", "<!-- end of training loops -->\n"


def section(runs):
    """The README's section; nothing while no run has them. ``runs``: the committed results, by name."""
    for name, run in runs.items():
        if pictures.paces_of(QUESTION, run["benchmarks"]):
            title = "How many times as fast a training loop is as with PyTorch's default"
            return f"![{title}](bench/results/{name}/{QUESTION}.png)\n\n{sentence(run)}\n"
    return ""


def sentence(run):
    rows = {row.work: row for row in table.rows(run["benchmarks"]) if row.question == QUESTION}
    separate, flat = rows[f"{MODEL}, separate tensors"], rows[f"{MODEL}, flat=True"]
    share = rows[f"{MODEL}, flat=True, the optimiser's share"].figure["median"]

    def times(row):
        default, fused = (table.number(row.peers[f"PyTorch {form}"]["median"]) for form in ("default", "fused"))
        return f"{default}× as fast as with PyTorch's default and {fused}× as fast as with its fused kernel"

    return (
        f"Whole training loops with Adam, batches of 32, on {headlines.machine(run)}. The {MODEL} trains "
        f"{times(separate)}; with `flat=True`, {times(flat)}: the optimiser takes {table.number(share)} % of the loop."
    )
