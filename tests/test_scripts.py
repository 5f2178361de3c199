"""The scripts of ci/ are what README.md and CONTRIBUTING.md say."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / "ci").iterdir() if path.is_file() and path.name != "env")


def test_readme_opens_with_the_commands_that_ci_runs_first():
    (block,) = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[:1]
    assert re.findall(r"^bash (\S+)", block, re.MULTILINE) == ["ci/demo", "ci/test"]


@pytest.mark.parametrize("path", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_scripts_are_described_and_can_be_run(path):
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n# ")
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `bash {re.escape(str(path.relative_to(ROOT)))}[ `]", table, re.MULTILINE)
