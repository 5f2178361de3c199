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

    def over(row, form):
        return table.number(headlines.ratio(row, f"PyTorch {form}"))

    return (
        f"Whole training loops with Adam, batches of 32, on {headlines.machine(run)}. The {MODEL} trains "
        f"{over(separate, 'default')}× as fast as with PyTorch's default, {over(separate, 'fused')}× as fast as with "
        f"its fused kernel; with `flat=True` {over(flat, 'default')}× and {over(flat, 'fused')}×, and the optimiser "
        f"takes {table.number(share)} % of the loop."
    )
