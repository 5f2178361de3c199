"""``fastopt compare`` on the GPU: the losses there, a run of each rule, the command."""

import numpy as np
import pytest
from command_line import run, write_csv
from on_cuda import host
from stepping import BY_NAME

import fastopt
from fastopt import problems
from fastopt.cli.compare import data
from fastopt.cli.compare.device_losses import DeviceLoss
from fastopt.cli.compare.devices import Device, Host
from fastopt.cli.compare.run import settings_for, train
from fastopt.cli.compare.task import make_task
from fastopt.kernels.cuda import kernels as cuda_kernels

N, D, CLASSES, HIDDEN = 17, 5, 3, 6


def case(model, dtype):
    """Parameters, examples."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, D)).astype(dtype)
    y = {
        "linear": rng.normal(size=N).astype(dtype),
        "logistic": rng.integers(0, 2, N),
        "poisson": rng.integers(0, 4, N).astype(dtype),
    }.get(model, rng.integers(0, CLASSES, N))
    if model == "mlp":
        return problems.MLPParams(**problems.init_mlp(D, HIDDEN, CLASSES, dtype=dtype)), X, y
    return 0.3 * rng.normal(size=(D, CLASSES) if model == "softmax" else D).astype(dtype), X, y


@pytest.mark.parametrize(("dtype", "l2"), [(np.float32, 0.3), (np.float64, 0.0)])  # both below for two models
@pytest.mark.parametrize("model", data.MODELS)
def test_losses(model, dtype, l2):
    params, X, y = case(model, dtype)
    loss = getattr(problems, model)(l2)
    nest = isinstance(params, tuple)
    grads = params._make(map(np.empty_like, params)) if nest else np.empty_like(params)
    expected = loss(params, grads, X, y)
    there = DeviceLoss(loss, dtype)
    mine = fastopt.to_device(grads)
    for _ in range(2):  # the second time with memory that was written before
        found = there(*fastopt.to_device([params]), mine, *fastopt.to_device([X, y]))
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert host(found) == pytest.approx(expected, rel=tolerance)
    for a, b in zip(host(mine) if nest else [host(mine)], grads if nest else [grads]):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * abs(b).max())


def test_more_elements_than_threads(monkeypatch):
    """A thread takes several, as it must beyond 2²⁴ elements."""
    monkeypatch.setattr(cuda_kernels, "MOST_BLOCKS", 1)
    test_losses("mlp", np.float64, 0.3)
    test_losses("logistic", np.float64, 0.3)


@pytest.fixture
def csv(tmp_path):
    return write_csv(tmp_path / "table.csv", y=[0, 1, 2] * 7)


@pytest.mark.parametrize(("model", "rules"), [("softmax", ["gd", "adam"]), ("mlp", ["adam"])])
def test_runs(model, rules, csv):
    task = make_task(data.load(str(csv)), model, 1.0, 3, 0)
    settings = settings_for(task, 2, 8, 0, None)
    device = Device(task)
    for rule in map(BY_NAME.get, rules):
        there, here = (train(task, rule, place, settings, lambda *_: None) for place in (device, Host(task, "serial")))
        assert there.target == "cuda"
        assert there.epochs == here.epochs
        np.testing.assert_allclose(there.losses, here.losses, rtol=1e-9)
        assert there.score == here.score
        assert there.us_per_step > 0


def test_command(csv, tmp_path):
    picture = tmp_path / "out.png"
    options = ["--rule", "sgd", "--epochs", "1", "--batch-size", "16", "--plot", picture]
    result = run("compare", "--data", csv, "--device", "cuda", *options)
    assert result.exit_code == 0, result.output
    assert "sgd   cuda" in result.stdout
    assert "serial" not in result.stdout
    assert "cuda: everything on the GPU" in result.stdout
    assert picture.stat().st_size > 10_000
