"""Every rule that a framework has takes that framework's steps, with what the table of conformance says."""

import importlib
import inspect

import numpy as np
import pytest

import fastopt
from conformance.cases import CELLS
from conformance.compare import preset_for
from conformance.frameworks import DEFAULT_LR, keras_on_numpy
from conformance.table import PACKAGES, measured, results

NEEDS = {
    "torch": [pytest.mark.needs("peers", "torch")],
    "optax": [pytest.mark.needs("peers", "jax", "optax")],
    "keras": [pytest.mark.needs("dialects", "keras")],
    "sklearn": [],  # which the tests need anyway
    "timm": [pytest.mark.needs("dialects", "torch", "timm")],
}
EACH = [pytest.param(cell, id="-".join(key), marks=NEEDS[cell.framework]) for key, cell in CELLS.items()]


@pytest.mark.parametrize("cell", EACH)
def test_the_table_is_what_is_measured(cell):
    verdict, found = measured(cell)
    committed, most = results()["cells"][cell.label][cell.framework]
    assert verdict == committed, f"{found:.1e} apart"
    assert cell.differs == (found > cell.within)
    if not cell.differs:
        assert most <= cell.within


@pytest.mark.parametrize("cell", [one for one in EACH if one.values[0].framework in DEFAULT_LR])
def test_the_default_lr_is_that_of_the_framework(cell):
    module, cls, keyword = DEFAULT_LR[cell.framework]
    if cell.framework == "keras":
        keras_on_numpy()
    made = getattr(importlib.import_module(module), cls or cell.theirs)
    opt = getattr(fastopt, cell.label)(np.ones(2), preset=preset_for(cell))
    assert opt.lr == inspect.signature(made).parameters[keyword].default


@pytest.mark.parametrize("name", PACKAGES)
def test_every_framework_is_compared(name):
    assert any(cell.framework == name for cell in CELLS.values())
