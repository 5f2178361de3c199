"""A history drawn and tabulated."""

import sys
from types import SimpleNamespace

import pytest

from fastopt.train.history import History

PLAIN = History(loss=[3.0, 2.0], time=[0.1, 0.2], epoch=[4, 5])
BESIDE = History(loss=[3.0, 2.0], time=[0.1, 0.2], epoch=[4, 5], validation=[5.0, 6.0])


def test_frame(monkeypatch):
    """The tests do without pandas: what DataFrame is given."""
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    assert PLAIN.to_frame() == {"epoch": [4, 5], "loss": [3.0, 2.0], "time": [0.1, 0.2]}
    assert list(BESIDE.to_frame()) == ["epoch", "loss", "validation", "time"]
    assert BESIDE.to_frame()["validation"] == [5.0, 6.0]
    assert list(History().to_frame()) == ["epoch", "loss", "time"]


def test_plot(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("the caller shows it"))
    with matplotlib.rc_context({"backend": "agg"}):
        new = PLAIN.plot()
        (line,) = new.lines
        assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([4, 5], [3.0, 2.0])
        assert (new.get_xlabel(), new.get_ylabel(), new.get_legend()) == ("epoch", "loss", None)
        assert BESIDE.plot(new) is new
        assert [line.get_label() for line in new.lines[1:]] == ["training", "validation"]
        assert new.lines[2].get_ydata().tolist() == [5.0, 6.0]
        pyplot.close(new.figure)


@pytest.mark.parametrize(("package", "call"), [("pandas", History.to_frame), ("matplotlib", History.plot)])
def test_without_its_package(package, call, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"must have {package} installed, got none: pip install {package}$"):
        call(BESIDE)
