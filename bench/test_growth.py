"""Time per element of one SGD step on as many float32 elements as fit, over that on 10⁷."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Contestant

import fastopt

SMALL, MOST = 10**7, 10**9
STEPS, BYTES = 2, 8  # bytes per element: a parameter and its gradient


def largest():
    """What half of the free memory holds, in round numbers; nothing where the system does not say how much is free."""
    file = Path("/proc/meminfo")
    found = re.search(r"MemAvailable: +(\d+) kB", file.read_text()) if file.exists() else None
    fits = int(found[1]) * 1024 // 2 // BYTES if found else 0
    return min(MOST, fits // SMALL * SMALL)


def contestant(size):
    p, g = np.ones(size, np.float32), np.full(size, 0.5, np.float32)
    opt = fastopt.SGD(p, lr=0.25)
    some = slice(None, None, max(1, size // 1000))
    return Contestant(lambda: opt.step(g), lambda: p[some], np.full(p[some].size, 1.0 - STEPS * 0.125))


def test_growth(race, figure, benchmark, pytestconfig):
    quick = benchmark.disabled or pytestconfig.getoption("quick")
    size = min(largest(), 2 * SMALL) if quick else largest()
    if size < 2 * SMALL:
        pytest.skip(f"half of the free memory holds {size} float32 parameters with their gradients: too few")
    seconds = race({"large": contestant(size), "small": contestant(SMALL)}, STEPS, 1e-6, rounds=12)
    if seconds is None:
        return
    figure(f"SGD, float32, {size:.1e} elements, a step", seconds["large"], "s")
    ratio = seconds["large"] / size / (seconds["small"] / SMALL)
    figure("  time per element over that at 10⁷", ratio, "×", most=1.1)
