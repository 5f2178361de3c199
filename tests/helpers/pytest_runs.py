"""Pytest in a process of its own: every test passes there, and none is skipped for a reason that was not foreseen."""

import os
import re
import subprocess
import sys
from pathlib import Path

from processes import with_package

ROOT = Path(__file__).parents[2]
NONE = dict.fromkeys(name for name in os.environ if name.startswith("PYTEST_"))  # of the run that this one is part of


def run_pytest(*arguments, skips=(), **env):
    """How many tests passed; ``skips`` are the reasons for which others may be skipped, all of which must occur."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *map(str, arguments)],
        env=with_package(**NONE | env),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    found = {reason for _, reason in re.findall(r"^SKIPPED \[\d+\] (.*?): (.*)$", done.stdout, re.MULTILINE)}
    assert found == set(skips), done.stdout[-4000:]
    return int(re.search(r"(\d+) passed", done.stdout)[1])
