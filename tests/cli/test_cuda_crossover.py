"""fastopt crossover and fastopt info where there is a GPU, or the simulator in its place."""

import re
from importlib.util import find_spec

import pytest
from on_cuda import SIMULATED
from stepping import BY_NAME

from fastopt.cli import crossover

if find_spec("typer") is None or find_spec("rich") is None:
    pytest.skip("needs the command line's packages", allow_module_level=True)

from command_line import run

from fastopt.cli.crossover_report import verdicts

SIZES = (4, 40)


@pytest.fixture
def cuda(monkeypatch):
    """The target, with short rounds, and the simulator asked for."""
    monkeypatch.setattr(crossover, "ROUNDS", 2)
    monkeypatch.setattr(crossover, "ROUND", 1e-6)
    monkeypatch.setattr(crossover, "no_cuda", lambda: None)
    return crossover.TARGETS[-1]


@pytest.mark.parametrize("name", ["gd", "adam", "amsgrad"])
def test_steps_on_a_gpu_are_a_target(cuda, name):
    assert cuda in crossover.present()
    found = crossover.measure(BY_NAME[name], "float32", SIZES)
    assert len(found.seconds["cuda"]) == len(SIZES)
    assert found.bandwidth["cuda"] > 0
    says = "\n".join(verdicts(found))
    assert re.search(r"cuda beats the CPU (from|at no size)", says)
    assert "limit of cuda" in says
    assert "no cuda" not in says


def test_the_parameters_that_it_steps_are_on_the_device(cuda, monkeypatch):
    made, optimizer = [], crossover.Optimizer
    monkeypatch.setattr(crossover, "Optimizer", lambda *args: made.append(optimizer(*args)) or made[0])
    step = cuda.stepper(BY_NAME["sgd"], "float64", 3)
    step()
    cuda.wait()
    assert made[0].params.copy_to_host().tolist() == [0.999] * 3


def test_info_names_the_device():
    result = run("info")
    assert result.exit_code == 0, result.output
    device = r".+, compute capability \d+\.\d+, [\d.]+ GiB, driver for CUDA \d+\.\d+, numba-cuda \d"
    says = "Numba's simulator" if SIMULATED else device
    assert re.search(rf"^cuda +{says}", result.stdout, re.MULTILINE)


@pytest.mark.skipif(not SIMULATED, reason="in the simulator only")
def test_the_simulator_is_no_gpu_unless_asked_for():
    assert crossover.TARGETS[-1] not in crossover.present()
    assert "simulator" in crossover.no_cuda()
