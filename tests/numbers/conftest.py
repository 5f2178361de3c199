"""Random numbers that do not depend on which tests ran before, and in which process."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def same_numbers_in_any_order(request):
    rng = getattr(request.module, "RNG", None)
    if rng is not None:
        rng.bit_generator.state = np.random.default_rng(7).bit_generator.state
