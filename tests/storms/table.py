"""What a run of the storms tried and lost: as a record, as a table, in the README.

``python -m storms.table tests/storms/stress.json`` writes the README's.
"""

import json
import platform
import sys
from datetime import date
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- storms: written by ci/stress -->\n", "<!-- end of storms -->"


def record(skies, minutes):
    found = [
        {"promise": sky.storm.PROMISE, "tried": sky.storm.TRIED, "times": sky.tried, "lost": len(sky.scripts)}
        for sky in skies
    ]
    about = {"date": date.today().isoformat(), "minutes": round(minutes), "python": platform.python_version()}
    return {**about, "storms": found}


def markdown(run):
    lines = [
        f"| promise | what `ci/stress {run['minutes']}` tried ({run['date']}) | times | broken |",
        "|---|---|---:|---:|",
    ]
    for row in run["storms"]:
        lines.append(f"| {row['promise']} | {row['tried']} | {row['times']:,} | {row['lost']} |")
    if "note" in run:  # what became of what was broken
        lines += ["", run["note"]]
    return "\n".join(lines) + "\n"


def with_table(readme, run):
    before, rest = readme.split(BEGIN)
    return before + BEGIN + markdown(run) + rest[rest.index(END) :]


if __name__ == "__main__":
    run = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    README.write_text(with_table(README.read_text(encoding="utf-8"), run), encoding="utf-8")
