"""What holds for every test: marks of what a test needs, and how many examples hypothesis tries."""

import pytest
from extras import why_not
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed",  # the same examples in every run
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("random", settings.get_profile("fixed"), derandomize=False, print_blob=True)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items):
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
