"""Tensors on a CUDA device where CUDA does not work: one sentence says what is missing."""

import importlib.util

import pytest
from refusals import refuse

from fastopt.targets import missing

pytestmark = pytest.mark.needs("peers", "torch")


@pytest.mark.parametrize("package", [True, False])
def test_what_is_missing_is_said(package, monkeypatch):
    import torch

    from fastopt.torch.stepping import part_of

    if not package:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    if missing() is None:
        pytest.skip("nothing is missing")
    words = missing() if package else 'the package numba-cuda is missing: pip install "fastopt[cuda]"'
    where = torch.device("cuda", 1)
    refuse(lambda: part_of(where), RuntimeError, f"parameters on cuda:1 must have CUDA, got none: {words}")
