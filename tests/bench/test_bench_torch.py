"""The races of PyTorch's optimisers run from end to end; the README says of its training loops what was measured."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from pytest_runs import run_pytest
from test_bench_report import ROOT, figure, headlines, pictures, report, runs, table

import one_import  # isort: skip  # beside report.py

MODELS = ("MLP 8-64-64-1", "MLP 32-256-256-10", "MLP 128-1024-1024-10", "CNN 28×28, 2 convolutions")
FORMS = {"PyTorch default": 1.0, "PyTorch foreach": 0.9, "PyTorch fused": 1.4, "separate": 1.9, "flat": 2.4}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def of_model(name):
    """What a race of training loops leaves: figures, and paces over PyTorch's default."""
    found = {}
    for ours, said in (("separate", "separate tensors"), ("flat", "flat=True")):
        found[f"{name}, {said}"] = figure(200.0)
        for peer in ("PyTorch default", "PyTorch foreach", "PyTorch fused"):
            found[f"  {peer} over {ours}"] = figure(FORMS[ours] / FORMS[peer], "×")
        found[f"  {name}, {said}, the optimiser's share"] = figure(3.21, "%", most=4)
    paces = {form: figure(pace) | {"per_second": 2000 * pace} for form, pace in FORMS.items()}
    return {"figures": found, "paces": {name: paces}}


def with_loops():
    """The record of a run that has training loops."""
    named = [{"fullname": f"bench/test_training_loops.py::test_loops[{k}]"} for k in range(len(MODELS))]
    info = {"cpu": "Some CPU", "threads": 4, "system": "Linux", "python": "3", "versions": {}}
    benchmarks = [{**one, "extra_info": of_model(model)} for one, model in zip(named, MODELS)]
    return {"machine_info": info, "datetime": "2026-01-01T00:00", "benchmarks": benchmarks}


def test_the_readme_says_of_training_loops_what_was_measured():
    written = README.partition(one_import.BEGIN)[2].partition(one_import.END)[0]
    assert written == one_import.section(runs())


def test_the_section_has_the_picture_and_the_figures_of_the_run_that_has_them():
    assert one_import.section({"without": {"benchmarks": []}}) == ""
    says = one_import.section({"without": {"benchmarks": []}, "some-cpu": with_loops()})
    assert "](bench/results/some-cpu/training_loops.png)" in says
    assert "Some CPU, 4 threads" in says
    assert re.findall(r"[\d.]+(?=×)", says) == ["1.9", "1.36", "2.4", "1.71"]
    assert "3.21 % of the loop" in says


def test_a_share_below_zero_misses_nothing():
    """The loop without an optimiser came out slower: noise, where the optimiser costs nothing."""
    assert table.Row("training_loops", "a share", figure(-2.0, "%", most=4)).misses() == []


def test_the_readme_gets_it_and_nothing_else_changes():
    data = with_loops()
    text = headlines.with_section(README, one_import.section({"some-cpu": data}), one_import.BEGIN, one_import.END)
    before, _, rest = text.partition(one_import.BEGIN)
    assert README.startswith(before)
    assert README.endswith(rest.partition(one_import.END)[2])
    assert "![Training loops of PyTorch](some-cpu/training_loops.png)" in report.page(
        data, [Path("some-cpu/training_loops.png")]
    )


def test_the_picture_has_a_bar_for_each_model_and_optimiser(tmp_path, monkeypatch):
    drawn, save = [], pictures.Figure.savefig
    monkeypatch.setattr(
        pictures.Figure, "savefig", lambda one, path, **more: drawn.append(one) or save(one, path, **more)
    )
    (path,) = pictures.draw(with_loops()["benchmarks"], tmp_path)
    assert path.name == "training_loops.png"
    (axes,) = drawn[0].axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[pace] * len(MODELS) for pace in FORMS.values()]
    assert [label.get_text() for label in axes.get_legend().get_texts()] == [
        *list(FORMS)[:3],
        "fastopt.torch",
        "fastopt.torch, flat=True",
    ]
    captions = [label.get_text() for label in axes.get_xticklabels()]
    assert captions[0] == "MLP 8-64-64-1\n1 is 2000 a second"
    with Image.open(path) as picture:  # readers in dark mode see it on white, too
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


# --- with PyTorch -----------------------------------------------------------------------------------------------------

TRIED = {
    "test_torch.py": ("test_adam", "test_fresh_gradients", "test_without_fused[rmsprop]", "test_large"),
    "test_training_loops.py": ("test_loops[small]", "test_loops[cnn]"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The record of a tiny run."""
    path = tmp_path_factory.mktemp("torch") / "run.json"
    options = ["--quick", "--benchmark-enable", "--benchmark-only", f"--benchmark-json={path}"]
    tried = [f"bench/{file}::{test}" for file, tests in TRIED.items() for test in tests]
    alone = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")  # none waits for another that has no core
    run_pytest("-p", "bench_tiny", *options, *tried, **alone)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.needs("peers")
def test_every_race_has_its_figures_and_targets(data):
    found = {row.work: row for row in table.rows(data["benchmarks"])}
    six = "six tensors of an 8-64-64-1 MLP, float32"
    targets = {
        "100 tensors of 64, float32, Adam": {8, 30},
        f"{six}, Adam": {4, 10},
        f"{six}, Adam with fresh gradients": set(),
        f"{six}, RMSprop": {12},
        "one tensor of 10⁷, float32, Adam": {1.0},
        "MLP 8-64-64-1, separate tensors": {1.3, 1.8},
        "MLP 8-64-64-1, flat=True": {1.6, 2.2},
        "CNN 28×28, 2 convolutions, flat=True": set(),
    }
    for work, least in targets.items():
        assert {figure["least"] for figure in found[work].peers.values() if "least" in figure} == least, work
        assert len(found[work].peers) == 2 + ("RMSprop" not in work)
    assert found["MLP 8-64-64-1, flat=True, the optimiser's share"].figure["most"] == 4


@pytest.mark.needs("peers")
def test_the_section_and_the_pictures_can_be_made_of_it(data, tmp_path):
    assert "MLP 8-64-64-1" in one_import.section({"some-cpu": data})
    assert [path.name for path in pictures.draw(data["benchmarks"], tmp_path)] == ["torch.png", "training_loops.png"]


@pytest.mark.needs("peers")
def test_the_import_that_the_readme_changes_is_enough():
    import torch

    (block,) = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    lines = block.splitlines()
    assert [line[0] for line in lines] == ["-", "+", " "]
    for kept, home in (("-", torch.optim.Adam), ("+", None)):
        names = {"model": torch.nn.Linear(2, 1)}
        exec("\n".join(line[1:] for line in lines if line[0] in (kept, " ")), names)
        assert isinstance(names["opt"], torch.optim.Adam)
        assert (type(names["opt"]) is home) == (home is not None)
