"""fastopt crossover: what it measures, says, draws and refuses."""

import math
import re
import time

import numpy as np
import pytest
from command_line import refusal
from numba import config
from rich.console import Console

import fastopt
from fastopt.cli import crossover
from fastopt.cli.crossover import Crossover, beats_from, measure
from fastopt.cli.crossover_report import draw, perform, verdicts
from fastopt.cli.same_bytes import LIMITS, bytes_moved, limit_of, summed

ADAM = next(rule for rule in fastopt.RULES if rule.name == "adam")
SIZES = (64, 256, 1024)


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch):
    monkeypatch.setattr(crossover, "ROUNDS", 2)
    monkeypatch.setattr(crossover, "ROUND", 1e-6)


def made(serial, parallel, **others):
    sizes = tuple(10**k for k in range(2, 2 + len(serial)))
    limits = {"cpu": 1e10} | dict.fromkeys(others, 2e12)
    return Crossover(ADAM, "float32", sizes, {"serial": serial, "parallel": parallel, **others}, limits)


def test_every_target_is_measured_at_every_size():
    ticks = []
    found = measure(ADAM, "float64", SIZES, lambda: ticks.append(1))
    assert found.sizes == SIZES
    assert len(ticks) == len(SIZES)
    assert list(found.seconds) == [target.name for target in crossover.present()]
    assert all(len(seconds) == len(SIZES) and min(seconds) > 0 for seconds in found.seconds.values())
    assert set(found.bandwidth) == {target.device for target in crossover.present()}
    assert all(0 < bandwidth < math.inf for bandwidth in found.bandwidth.values())


def gpu(stepper, wait=crossover.nothing):
    return crossover.Target("gpu", "gpu", lambda: True, stepper, wait)


def test_a_target_joins_by_one_entry(monkeypatch):
    steps = []
    more = gpu(lambda rule, dtype, size: lambda: steps.append((rule, dtype, size)))
    absent = crossover.Target("none", "none", lambda: False, None)
    monkeypatch.setattr(crossover, "TARGETS", (*crossover.TARGETS, more, absent))
    found = measure(ADAM, "float32", SIZES)
    assert list(found.seconds)[-1] == "gpu"
    assert list(found.bandwidth) == [*dict.fromkeys(target.device for target in crossover.present())]
    assert {size for rule, _, size in steps if rule is ADAM} == set(SIZES)
    assert any("gpu beats the CPU" in line for line in verdicts(found))


def test_steps_are_queued_and_the_last_of_a_lap_is_waited_for():
    done = []
    crossover.lap(lambda: done.append("step"), 3, lambda: done.append("wait"))
    assert done == ["step"] * 3 + ["wait"]


def test_a_wait_is_part_of_the_time(monkeypatch):
    waited = gpu(lambda rule, dtype, size: lambda: None, lambda: time.sleep(0.02))
    monkeypatch.setattr(crossover, "TARGETS", (waited,))
    assert all(taken >= 0.02 for taken in crossover.by_turns(ADAM, "float32", 1)["gpu"])


def test_where_one_beats_the_other():
    assert beats_from(made([1.0, 10.0, 100.0], [10.0, 10.0, 20.0]), "parallel", "serial") == pytest.approx(1000)
    assert beats_from(made([1.0, 10.0], [2.0, 5.0]), "parallel", "serial") == pytest.approx(10**2.5)
    assert beats_from(made([1.0, 10.0], [2.0, 20.0]), "parallel", "serial") is None
    assert beats_from(made([2.0, 20.0], [1.0, 10.0]), "parallel", "serial") == 100
    # faster, slower again, then faster for good
    assert beats_from(made([2.0, 1.0, 2.0], [1.0, 2.0, 1.0]), "parallel", "serial") == pytest.approx(10**3.5)


def test_the_best_of_the_others_counts():
    found = made([1.0, 10.0, 100.0], [10.0, 10.0, 10.0], cuda=[5.0, 5.0, 5.0])
    assert beats_from(found, "cuda", "serial") == pytest.approx(10**2.7, rel=0.01)
    assert beats_from(found, "cuda", "serial", "parallel") == pytest.approx(10**2.7, rel=0.01)
    found = made([1.0, 10.0, 100.0], [10.0, 10.0, 10.0], cuda=[20.0, 20.0, 20.0])
    assert beats_from(found, "cuda", "serial") is not None
    assert beats_from(found, "cuda", "serial", "parallel") is None


def test_what_is_said_of_a_gpu(monkeypatch):
    monkeypatch.setattr("fastopt.cli.crossover_report.no_cuda", lambda: None)
    says = verdicts(made([1.0, 10.0, 100.0], [10.0, 10.0, 10.0], cuda=[5.0, 5.0, 5.0]))
    assert any(line.startswith("adam, float32: cuda beats the CPU from 5e+02 elements on (steps") for line in says)
    assert any("limit of cuda: 2000 GB/s" in line for line in says)
    assert not any("no cuda" in line for line in says)


def test_without_a_gpu_the_last_line_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("fastopt.cli.crossover_report.no_cuda", lambda: "the driver is missing")
    assert verdicts(made([1.0], [1.0]))[-1] == "no cuda: the driver is missing"
    monkeypatch.setattr("fastopt.cli.crossover.missing", lambda: "the package is missing")
    monkeypatch.setattr(config, "ENABLE_CUDASIM", 0)
    assert crossover.no_cuda() == "the package is missing"
    assert "cuda" not in [target.name for target in crossover.present()]


def test_what_is_said():
    says = "\n".join(verdicts(made([1.0, 10.0], [2.0, 5.0])))
    assert "adam, float32: parallel beats serial from 3.2e+02 elements on" in says
    assert f"takes threads from {fastopt.kernels.cpu.threshold(ADAM, 'float32')} on" in says
    assert "parallel beats serial at no size up to 1000" in "\n".join(verdicts(made([1.0, 1.0], [2.0, 2.0])))
    alone = Crossover(ADAM, "float32", (100,), {"serial": [1.0]}, {"cpu": 1e10})
    assert "one thread only" in verdicts(alone)[0]


def test_table_and_picture(tmp_path, capsys):
    path = tmp_path / "out.png"
    perform(ADAM, "float32", str(path), Console(width=1000), SIZES)
    printed, errors = capsys.readouterr()
    for size in SIZES:
        assert re.search(rf"^ *{size} +([\d.e+]+ +)+(serial|parallel|cuda) *$", printed, re.MULTILINE)
    assert "GB/s" in printed
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {path}" in errors


def test_the_picture_has_a_line_for_every_target_and_limit(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path: drawn.append(figure))
    draw(made([1.0, 10.0], [2.0, 5.0], cuda=[3.0, 3.0]), "out.png")
    (axes,) = drawn[0].axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    limits = ["10 GB/s of cpu", "2000 GB/s of cuda"]
    assert labels == ["serial", "parallel", "cuda", *limits, "fastopt takes threads"]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 6


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
    assert bytes_moved(rule, "float32", p.size) == 2 * written + (1 + summed(rule)) * g.nbytes


def test_arrays_that_sums_read():
    counts = {rule.name: summed(rule) for rule in fastopt.RULES if rule.reduces}
    assert counts["novograd"] == 1  # the gradient
    assert counts["lamb"] == 4  # and the parameters, m and v


def test_limits_of_every_number_of_arrays():
    assert [len(limit.state) for limit in LIMITS] == [0, 1, 2, 3, 4]
