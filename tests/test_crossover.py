"""fastopt crossover: what it measures, says, draws and refuses."""

import math
import re

import numpy as np
import pytest
from command_line import refusal
from rich.console import Console

import fastopt
from fastopt import crossover
from fastopt.crossover import Crossover, beats_from, measure
from fastopt.crossover_report import perform, verdicts
from fastopt.limit import LIMITS, bytes_moved, limit_of

ADAM = next(rule for rule in fastopt.RULES if rule.name == "adam")
SIZES = (64, 256, 1024)


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch):
    monkeypatch.setattr(crossover, "ROUNDS", 2)
    monkeypatch.setattr(crossover, "ROUND", 1e-6)


def made(serial, parallel):
    sizes = tuple(10**k for k in range(2, 2 + len(serial)))
    return Crossover(ADAM, "float32", sizes, {"serial": serial, "parallel": parallel}, 1e10)


def test_every_target_is_measured_at_every_size():
    ticks = []
    found = measure(ADAM, "float64", SIZES, lambda: ticks.append(1))
    assert found.sizes == SIZES
    assert len(ticks) == len(SIZES)
    assert list(found.seconds) == [target.name for target in crossover.present()]
    assert all(len(seconds) == len(SIZES) and min(seconds) > 0 for seconds in found.seconds.values())
    assert 0 < found.bandwidth < math.inf


def test_a_target_joins_by_one_entry(monkeypatch):
    steps = []
    more = crossover.Target("gpu", lambda: True, lambda rule, dtype, size: lambda: steps.append((rule, dtype, size)))
    absent = crossover.Target("none", lambda: False, None)
    monkeypatch.setattr(crossover, "TARGETS", (*crossover.TARGETS, more, absent))
    found = measure(ADAM, "float32", SIZES)
    assert list(found.seconds)[-1] == "gpu"
    assert {size for rule, _, size in steps if rule is ADAM} == set(SIZES)
    assert any("gpu beats" in line for line in verdicts(found))


def test_where_one_beats_the_other():
    assert beats_from(made([1.0, 10.0, 100.0], [10.0, 10.0, 20.0]), "parallel", "serial") == pytest.approx(1000)
    assert beats_from(made([1.0, 10.0], [2.0, 5.0]), "parallel", "serial") == pytest.approx(10**2.5)
    assert beats_from(made([1.0, 10.0], [2.0, 20.0]), "parallel", "serial") is None
    assert beats_from(made([2.0, 20.0], [1.0, 10.0]), "parallel", "serial") == 100
    # faster, slower again, then faster for good
    assert beats_from(made([2.0, 1.0, 2.0], [1.0, 2.0, 1.0]), "parallel", "serial") == pytest.approx(10**3.5)


def test_what_is_said():
    says = "\n".join(verdicts(made([1.0, 10.0], [2.0, 5.0])))
    assert "adam, float32: parallel beats serial from 3.2e+02 elements on" in says
    assert f"takes threads from {fastopt.kernels.cpu.threshold(ADAM, 'float32')} on" in says
    assert "parallel beats serial at no size up to 1000" in "\n".join(verdicts(made([1.0, 1.0], [2.0, 2.0])))
    alone = Crossover(ADAM, "float32", (100,), {"serial": [1.0]}, 1e10)
    assert "one thread only" in verdicts(alone)[0]


def test_table_and_picture(tmp_path, capsys):
    path = tmp_path / "out.png"
    perform(ADAM, "float32", str(path), Console(width=1000), SIZES)
    printed, errors = capsys.readouterr()
    for size in SIZES:
        assert re.search(rf"^ *{size} +([\d.e+]+ +)+(serial|parallel) *$", printed, re.MULTILINE)
    assert "GB/s" in printed
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {path}" in errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rule", "adamm"], "--rule must be one of gd, sgd"),
        (["--dtype", "float16"], "--dtype must be float32 or float64, got 'float16'"),
        (["--plot", "out.txt"], "--plot must end in"),
        (["--plot", "no/such/out.png"], "there is no folder no/such"),
    ],
)
def test_refusals(options, says):
    assert says in refusal("crossover", *options)


@pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
def test_the_limit_moves_the_same_bytes(rule):
    limit = limit_of(rule)
    assert len(limit.state) == len(rule.state)
    p, g = np.zeros(100, np.float32), np.ones(100, np.float32)
    opt = fastopt.Optimizer(p, limit)
    arrays = [p, *opt.state.values()]
    before = [a.copy() for a in arrays]
    opt.step(g)
    written = sum(a.nbytes for a, was in zip(arrays, before) if not np.array_equal(a, was))
    assert bytes_moved(rule, "float32", p.size) == 2 * written + g.nbytes


def test_limits_of_every_number_of_arrays():
    assert [len(limit.state) for limit in LIMITS] == [0, 1, 2, 3]
