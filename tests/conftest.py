"""What holds for every test: marks of what a test needs, how many examples hypothesis tries, PyTorch in float64."""

import contextlib
import gc
import signal

import pytest
from extras import why_not

with contextlib.suppress(ModuleNotFoundError):  # ci/gpu runs the tests that need no hypothesis without it
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    fixed = settings(deadline=None, derandomize=True, database=None, suppress_health_check=slow)
    settings.register_profile("fixed", fixed)  # the same examples in every run
    settings.register_profile("random", fixed, derandomize=False, print_blob=True)  # ci/nightly
    settings.load_profile("fixed")


def pytest_collection_modifyitems(config, items):
    items[:] = in_shares(items, getattr(config, "workerinput", {}).get("workercount", 1))
    for item in items:
        for mark in item.iter_markers("needs"):
            if reason := why_not(*mark.args):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish():
    """Python looks for garbage seldom, and never among what was imported: that took a tenth of compilations' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def in_shares(items, workers):
    """In an order in which the early tests are at the beginnings of the shares that xdist gives to its workers.

    Together at the beginning of all they would be one worker's, which runs them one after the other.
    """
    early = [item for item in items if item.get_closest_marker("early")]
    rest = [item for item in items if not item.get_closest_marker("early")]
    ordered, left = [], len(items)
    for k in range(workers):
        own, size = early[k::workers], left // (workers - k)
        others = max(0, size - len(own))
        ordered += own + rest[:others]
        rest, left = rest[others:], left - size
    return ordered + rest


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also where a shell in the background has turned it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def torch():
    """PyTorch with float64 as its default: NAdam keeps Πμ in the default dtype, and float32 costs 1e-7."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)
