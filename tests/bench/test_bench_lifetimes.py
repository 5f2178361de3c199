"""The README's picture of lifetimes: it is drawn, and its standard errors are those of the simulated noise."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import lifetimes


def test_the_picture(tmp_path):
    res = lifetimes.draw(tmp_path / "lifetimes.png")
    _, true = lifetimes.scene()
    errors = (res.x[:, 1] - true.ravel()) / res.stderr[:, 1]
    assert res.success.all()
    assert abs(errors.mean()) < 0.1
    assert abs(errors.std() - 1) < 0.05
    with Image.open(tmp_path / "lifetimes.png") as drawn, Image.open(lifetimes.PICTURE) as kept:
        assert drawn.size == kept.size
        assert len(np.unique(drawn)) > 100
    assert lifetimes.PICTURE.stat().st_size < 150_000
