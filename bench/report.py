"""Tables and pictures of a run: ``python bench/report.py bench/results/NAME.json [--readme]``.

Prints the table and writes a picture per question in the folder NAME beside the file; with --readme also the README's
section on performance.
"""

import argparse
import json
import os
from pathlib import Path

import pictures
import table

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- performance: written by bench/report.py -->\n", "<!-- end of performance -->\n"


def heading(data):
    """Where and when this was measured, with which versions."""
    about = data["machine_info"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    card = f"{about['card']}; " if "card" in about else ""
    return (
        f"{card}{about['cpu']}, {about['threads']} threads, {about['system']}, {data['datetime'][:10]}; "
        f"Python {about['python']}, {versions}."
    )


def section(data, folder):
    """The README's section. ``folder``: of the pictures, from the README."""
    found = table.rows(data["benchmarks"])
    lines = [
        heading(data),
        f"{table.summary(found)} Columns with × say how many times as long as fastopt a peer took, from pairs in the "
        "same round (~ where their quartiles are more than a factor of 2 apart); the limit is a kernel "
        "that moves the same bytes with hardly any arithmetic.",
        f"![Time of a step against size, and the peers' over fastopt's]({folder}/step.png)",
        table.markdown(found),
    ]
    return "\n\n".join(lines)


def with_section(readme, new):
    """The README with its section replaced."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + new + rest[rest.index(END) :]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="what pytest-benchmark wrote")
    parser.add_argument("--readme", action="store_true", help="write the README's section, too")
    args = parser.parse_args()
    data = json.loads(args.file.read_text(encoding="utf-8"))
    folder = args.file.with_suffix("")
    print(heading(data), table.text(table.rows(data["benchmarks"])), sep="\n\n")
    for path in pictures.draw(data["benchmarks"], folder):
        print(f"wrote {os.path.relpath(path)}")
    if args.readme:
        readme = ROOT / "README.md"
        new = section(data, os.path.relpath(folder.resolve(), ROOT))
        readme.write_text(with_section(readme.read_text(encoding="utf-8"), new), encoding="utf-8")


if __name__ == "__main__":
    main()
