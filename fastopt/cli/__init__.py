"""The command line; ``pip install "fastopt[cli]"`` brings what it needs.

    fastopt compare --data digits --plot compare.png

trains a model with every rule, and compares each with SciPy's optimum. ``--data`` takes a CSV file of yours as well.
"""

import sys

EXTRA = {"typer", "rich", "matplotlib", "sklearn", "threadpoolctl"}
MISSING = 'fastopt: the command line needs more packages: pip install "fastopt[cli]"'


def main():
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters shows the rest
    try:
        from .commands import app

        app(prog_name="fastopt")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        print(MISSING, file=sys.stderr)
        sys.exit(2)
