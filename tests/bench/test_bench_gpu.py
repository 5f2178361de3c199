"""The races on a GPU run from end to end: here with tiny arrays, in Numba's simulator, against PyTorch on the CPU."""

import json

import pytest
from pytest_runs import run_pytest
from test_bench_report import machine, pictures, report, table

pytestmark = [pytest.mark.needs("cuda"), pytest.mark.needs("peers")]


def run(path):
    """The record of a run."""
    options = ["--benchmark-enable", "--benchmark-only", f"--benchmark-json={path}"]
    run_pytest("-p", "bench_without_gpu", *options, "bench/test_gpu.py", NUMBA_ENABLE_CUDASIM="1")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.early
def test_the_races_run_from_end_to_end(tmp_path):
    """One test of one run, which takes half a minute: workers would each make their own."""
    data = run(tmp_path / "run.json")
    check_that_every_question_has_its_figures(data)
    check_that_the_record_goes_by_the_cards_name(data)
    check_the_table_and_the_picture(data, tmp_path)


def check_that_every_question_has_its_figures(data):
    found = {row.work: row for row in table.rows(data["benchmarks"])}
    large = found["GPU, Adam on 10⁸ elements, float32"]
    assert {peer: figure["least"] for peer, figure in large.peers.items()} == {
        "copy": 0.93,
        "PyTorch fused": 1.0,
        "PyTorch foreach": 1.0,
    }
    for dtype in ("float32", "float64"):
        for rule, peers in (("adam", 3), ("adadelta", 2), ("lion", 1)):
            assert len(found[f"GPU, 10⁷ elements, {dtype}, {rule}"].peers) == peers
    assert any("packed arrays" in work for work in found)
    assert list(found["GPU, 4 exponential fits, 2 iterations each"].peers) == ["CPU"]
    assert any("replayed" in work for work in found)


def check_that_the_record_goes_by_the_cards_name(data):
    assert machine.name(data["machine_info"]) == "some-card-80gb"
    assert report.heading(data).startswith("Some Card 80GB; ")
    assert not any("card" in benchmark["extra_info"] for benchmark in data["benchmarks"])


def check_the_table_and_the_picture(data, tmp_path):
    assert "A step on a GPU" in table.text(table.rows(data["benchmarks"]))
    (path,) = pictures.draw(data["benchmarks"], tmp_path)
    assert path.name == "gpu.png"
