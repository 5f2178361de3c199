"""The tests of CUDA in Numba's simulator, which needs no GPU. In processes of their own: Numba decides at import."""

from pathlib import Path

import pytest
from numba import config
from pytest_runs import run_pytest

FOLDER = Path(__file__).parent
FILES = {
    str(file.relative_to(FOLDER)): 'mark.needs("peers"' in file.read_text(encoding="utf-8")
    for file in sorted(FOLDER.rglob("test_cuda_*.py"))
    if file.name not in (Path(__file__).name, "test_cuda_ptx.py", "test_cuda_cache.py", "test_cuda_driver.py")
}
PEERS = [name for name, needed in FILES.items() if needed]
OTHERS = [name for name, needed in FILES.items() if not needed]
PROCESSES = 4  # each takes seconds to begin
PARTS = [OTHERS[k::PROCESSES] for k in range(PROCESSES)]
PARTS += [pytest.param(PEERS, marks=pytest.mark.needs("peers", "torch"))]


@pytest.mark.early
@pytest.mark.skipif(bool(config.ENABLE_CUDASIM), reason="runs in the simulator already")
@pytest.mark.parametrize("names", PARTS, ids=" ".join)
def test_in_the_simulator(names):
    assert run_pytest(*(FOLDER / name for name in names), NUMBA_ENABLE_CUDASIM="1") >= len(names)
