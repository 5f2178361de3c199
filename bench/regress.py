"""Compare a run with the committed one: ``python bench/regress.py RUN.json``.

Where bench/results has a file of this processor and number of threads, exit code 1 says that something became slower
beyond the spread. Elsewhere both are printed, side by side.
"""

import json
import math
import sys
from pathlib import Path

import machine
import table

RESULTS = Path(__file__).parent / "results"
LIMITED = "the limit over"

# Quartiles apart, and medians by this factor. Ratios are of contestants in the same round, so that a slow machine slows
# both; but where memory is the limit it slows them differently, so there the ratio to the limit counts alone. Times,
# which are judged where there is no ratio, were seen to double while others used the memory.
LIMIT, RATIO, TIME = 1.1, 1.25, 2.0


def figures(data):
    """By benchmark and what was timed."""
    return {
        (benchmark["fullname"], what): figure
        for benchmark in data["benchmarks"]
        for what, figure in benchmark["extra_info"].get("figures", {}).items()
        if figure["unit"] != "elements"
    }


def is_worse(new, old, factor):
    """Whether it is worse beyond the spread; a ratio is when it fell, unless its target is a most."""
    if new["unit"] == "×" and "most" not in new:
        return new["q3"] < old["q1"] and new["median"] * factor < old["median"]
    return new["q1"] > old["q3"] and new["median"] > old["median"] * factor


def regressions(run, committed):
    """``(benchmark, what, new, old)`` of all that became slower."""
    new, old = figures(run), figures(committed)
    against_peers = {name for (name, _), figure in new.items() if "least" in figure}

    limited = {name for (name, what), figure in new.items() if LIMITED in what and table.aims(figure)}

    def factor(name, what, figure):
        """By how much it must be worse; infinite where something else is judged."""
        if figure["unit"] != "×":
            return math.inf if name in against_peers else TIME
        if name in limited:
            return LIMIT if LIMITED in what else math.inf
        return RATIO if table.aims(figure) else math.inf

    return [
        (name, what, figure, old[name, what])
        for (name, what), figure in new.items()
        if (name, what) in old and is_worse(figure, old[name, what], factor(name, what, figure))
    ]


def side_by_side(run, committed):
    new, old = figures(run), figures(committed)
    lines = ["this run, beside the committed one on " + machine.name(committed["machine_info"])]
    for (name, what), figure in new.items():
        if (name, what) in old:
            both = [f"{table.number(f['median'])} {f['unit']}".rjust(12) for f in (figure, old[name, what])]
            lines.append("  ".join([*both, what]))
    return "\n".join(lines)


def main(path):
    run = json.loads(Path(path).read_text(encoding="utf-8"))
    own = RESULTS / f"{machine.name(run['machine_info'])}.json"
    if not own.exists():
        print(f"nothing was committed for {own.stem}: no comparison")
        for file in sorted(RESULTS.glob("*.json")):
            print(side_by_side(run, json.loads(file.read_text(encoding="utf-8"))))
        return 0
    worse = regressions(run, json.loads(own.read_text(encoding="utf-8")))
    for name, what, new, old in worse:
        shown = " to ".join(f"{table.number(f['median'])} {f['unit']}" for f in (old, new))
        print(f"slower than committed: {what.strip()}: {shown}, in {name}")
    if not worse:
        print(f"nothing is slower, beyond the spread, than what {own.name} has")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
