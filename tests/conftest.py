"""What holds for every test: marks of what a test needs, how many examples hypothesis tries, PyTorch in float64."""

import contextlib

import pytest
from extras import why_not

with contextlib.suppress(ModuleNotFoundError):  # ci/gpu runs the tests that need no hypothesis without it
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    fixed = settings(deadline=None, derandomize=True, database=None, suppress_health_check=slow)
    settings.register_profile("fixed", fixed)  # the same examples in every run
    settings.register_profile("random", fixed, derandomize=False, print_blob=True)  # ci/nightly
    settings.load_profile("fixed")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
    for item in items:
        for mark in item.iter_markers("needs"):
            if reason := why_not(*mark.args):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def torch():
    """PyTorch with float64 as its default: NAdam keeps Πμ in the default dtype, and float32 costs 1e-7."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)
