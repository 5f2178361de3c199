"""Tables and pictures of a run: ``python bench/report.py bench/results/NAME.json [--readme]``.

Prints the table, writes it to NAME.md beside the file, and a picture per question in the folder NAME; with --readme
also what the README says of speed, from all committed results.
"""

import argparse
import json
import os
from pathlib import Path

import headlines
import one_import
import pictures
import table

ROOT = Path(__file__).parents[1]


def heading(data):
    """Where and when this was measured, with which versions."""
    about = data["machine_info"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    card = f"{about['card']}; " if "card" in about else ""
    return (
        f"{card}{about['cpu']}, {about['threads']} threads, {about['system']}, {data['datetime'][:10]}; "
        f"Python {about['python']}, {versions}."
    )


def page(data, drawn):
    """All figures of a run as markdown. ``drawn``: the paths of its pictures, in a folder beside the page."""
    found = table.rows(data["benchmarks"])
    lines = [
        f"# {headlines.machine(data)}",
        heading(data),
        f"{table.summary(found)} Columns with × say how many times as long as fastopt a peer took, from pairs in the "
        "same round (~ where their quartiles are more than a factor of 2 apart); the limit is a kernel "
        "that moves the same bytes with hardly any arithmetic.",
        table.markdown(found, drawn),
    ]
    return "\n\n".join(lines)


def write_readme():
    runs = {name: headlines.load(name) for name in headlines.FIGURES}
    readme = ROOT / "README.md"
    text = headlines.with_section(readme.read_text(encoding="utf-8"), headlines.section(runs))
    text = headlines.with_section(text, one_import.section(runs), one_import.BEGIN, one_import.END)
    readme.write_text(text, encoding="utf-8")
    headlines.draw(runs, headlines.RESULTS / headlines.PICTURE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="what pytest-benchmark wrote")
    parser.add_argument("--readme", action="store_true", help="write the README's figures, too")
    args = parser.parse_args()
    data = json.loads(args.file.read_text(encoding="utf-8"))
    folder = args.file.with_suffix("")
    print(heading(data), table.text(table.rows(data["benchmarks"])), sep="\n\n")
    drawn = pictures.draw(data["benchmarks"], folder)
    args.file.with_suffix(".md").write_text(page(data, drawn), encoding="utf-8")
    for path in (args.file.with_suffix(".md"), *drawn):
        print(f"wrote {os.path.relpath(path)}")
    if args.readme:
        write_readme()


if __name__ == "__main__":
    main()
