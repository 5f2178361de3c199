"""The tests of CUDA in Numba's simulator, which needs no GPU. In a process of their own: Numba decides at import."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

FOLDER = Path(__file__).parent
FILES = [
    str(file.relative_to(FOLDER))
    for file in sorted(FOLDER.rglob("test_cuda_*.py"))
    if file.name not in (Path(__file__).name, "test_cuda_ptx.py", "test_cuda_cache.py", "test_cuda_driver.py")
]


@pytest.mark.skipif(bool(config.ENABLE_CUDASIM), reason="runs in the simulator already")
@pytest.mark.parametrize("name", FILES)
def test_in_the_simulator(name):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(FOLDER / name)],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        cwd=FOLDER.parent,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"\d+ passed", done.stdout)
