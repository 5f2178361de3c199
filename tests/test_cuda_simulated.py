"""The tests of CUDA in Numba's simulator, which needs no GPU. In a process of their own: Numba decides at import."""

from pathlib import Path

import pytest
from numba import config
from pytest_runs import run_pytest

FOLDER = Path(__file__).parent
FILES = [
    str(file.relative_to(FOLDER))
    for file in sorted(FOLDER.rglob("test_cuda_*.py"))
    if file.name not in (Path(__file__).name, "test_cuda_ptx.py", "test_cuda_cache.py", "test_cuda_driver.py")
]


@pytest.mark.early
@pytest.mark.skipif(bool(config.ENABLE_CUDASIM), reason="runs in the simulator already")
@pytest.mark.parametrize("name", FILES)
def test_in_the_simulator(name):
    assert run_pytest(FOLDER / name, NUMBA_ENABLE_CUDASIM="1")
