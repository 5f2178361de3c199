"""Tensors on a CUDA device where CUDA does not work: one sentence says what is missing."""

import importlib.util

import pytest
from refusals import refuse

from fastopt.rules import RULES
from fastopt.targets import missing

pytestmark = pytest.mark.needs("peers", "torch")


@pytest.mark.parametrize("package", [True, False])
@pytest.mark.parametrize("label", ["Adam", "LAMB"])
def test_what_is_missing_is_said(label, package, monkeypatch):
    import torch

    from fastopt.torch.stepping import part_of

    if not package:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    if missing() is None:
        pytest.skip("nothing is missing")
    words = missing() if package else 'the package numba-cuda is missing: pip install "fastopt[cuda]"'
    where, rule = torch.device("cuda", 1), next(rule for rule in RULES if rule.label == label)
    refuse(lambda: part_of(where, rule), RuntimeError, f"parameters on cuda:1 must have CUDA, got none: {words}")
