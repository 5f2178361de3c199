"""README's figures and the pages of results are what bench/report.py makes of the results; regressions are noticed."""

import copy
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

import headlines  # noqa: E402
import machine  # noqa: E402
import pictures  # noqa: E402
import regress  # noqa: E402
import report  # noqa: E402
import table  # noqa: E402

FILES = sorted((ROOT / "bench" / "results").glob("*.json"))


def load(file):
    return json.loads(file.read_text(encoding="utf-8"))


def written():
    """What the README says of speed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition(headlines.BEGIN)[2].partition(headlines.END)[0]


def runs():
    return {name: headlines.load(name) for name in headlines.FIGURES}


def drawn(file):
    return sorted(file.with_suffix("").glob("*.png"))


def figures_of(data):
    return [f for b in data["benchmarks"] for f in b["extra_info"].get("figures", {}).values()]


def figure(median, unit="µs", spread=0.01, **target):
    return {"median": median, "q1": median * (1 - spread), "q3": median * (1 + spread), "unit": unit, **target}


def run(**figures):
    info = {"cpu": "Some CPU", "threads": 4}
    one = {"fullname": "bench/test_fit.py::test_fit", "extra_info": {"figures": figures}}
    return {"machine_info": info, "benchmarks": [one]}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_results_are_named_after_the_machine(file):
    assert file.stem == machine.name(load(file)["machine_info"])


def test_the_readme_says_what_was_measured():
    assert written() == headlines.section(runs())


def test_the_readme_says_it_in_a_dozen_rows_at_most():
    assert sum(map(len, headlines.FIGURES.values())) <= 12


def test_the_readmes_picture_shows_what_the_readme_says():
    with Image.open(headlines.RESULTS / headlines.PICTURE) as picture:
        assert picture.text["Description"] == written()


@pytest.mark.parametrize("name", headlines.FIGURES)
def test_a_doctored_headline_is_noticed(name):
    for one in headlines.FIGURES[name]:
        for what in (one.work, f"  {one.peers[0]} over"):
            data = runs()
            figures = [b["extra_info"].get("figures", {}) for b in data[name]["benchmarks"]]
            (found,) = (f for f in figures if one.work in f)
            key = next(
                key for key in found if key.startswith(what) and list(found).index(key) >= list(found).index(one.work)
            )
            found[key]["median"] *= 1.07
            assert headlines.section(data) != written(), key


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_page_beside_a_result_says_what_was_measured(file):
    page = file.with_suffix(".md").read_text(encoding="utf-8")
    assert page == report.page(load(file), drawn(file))
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert {file.parent / link for link in links} == set(drawn(file))
    for k in (0, -1):
        data = load(file)
        figures_of(data)[k]["median"] *= 1.07
        assert report.page(data, drawn(file)) != page


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_picture_can_be_drawn(file, tmp_path):
    paths = pictures.draw(load(file)["benchmarks"], tmp_path)
    first = "gpu.png" if "card" in load(file)["machine_info"] else "step.png"
    assert first in [path.name for path in paths]
    assert {path.name for path in paths} == {path.name for path in drawn(file)}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_one_row_has_the_work_its_peers_and_its_targets():
    data = run(
        **{
            "a step": figure(2.0, most=3),
            "  PyTorch fused over fastopt": figure(1.1, "×", least=1.15),
            "  the limit over fastopt": figure(0.97, "×", least=0.95),
            "  PyTorch fused over the limit": figure(1.13, "×"),
            "  aside": figure(5.0),
        }
    )
    first, aside = table.rows(data["benchmarks"])
    assert (first.work, list(first.peers), aside.work) == ("a step", ["PyTorch fused", "the limit"], "aside")
    assert first.misses() == ["PyTorch fused (the limit allows 1.13)"]
    assert table.tally([first, aside]) == (3, 2, 1)
    head, row, _ = table.tables([first, aside])["Training"]
    assert head == ["", "fastopt", "quartiles", "PyTorch ×", "limit ×", "target", "met"]
    assert row[1] == "2 µs"
    assert row[3:5] == ["1.1 fused", "0.97"]
    assert row[5] == "≤ 3 µs, PyTorch ≥ 1.15, limit ≥ 0.95"
    assert "2 of 3 targets met; 1 of the others" in table.text([first, aside])


def on_a_gpu():
    """What bench/test_gpu.py leaves: figures beside a copy and PyTorch, and a curve of the same name."""
    points = [{"size": 10**k, "median": 1e-5, "q1": 9e-6, "q3": 1.1e-5, "min": 9e-6} for k in range(4)]
    lines = dict.fromkeys(("fastopt", "copy", "PyTorch fused", "PyTorch foreach"), points)
    found = [{"curves": {"GPU, Adam, float32": lines}}]
    works = ["GPU, Adam on 10⁸ elements, float32", "GPU, Adam on 1000 elements replayed, float32"]
    works += [f"GPU, 10⁷ elements, float64, {rule}" for rule in ("gd", "adagrad", "adam")]
    works += [f"GPU, Adam, float32, {10**k} elements" for k in range(4)]
    for work in works:
        found.append({"figures": {work: figure(950.0), "  copy over fastopt": figure(0.96, "×", least=0.93)}})
    info = {"card": "Some Card 80GB", "cpu": "Some CPU", "threads": 4, "system": "Linux", "python": "3", "versions": {}}
    named = [{"fullname": f"bench/test_gpu.py::test_{k}", "extra_info": one} for k, one in enumerate(found)]
    return {"machine_info": info, "datetime": "2026-01-01T00:00", "benchmarks": named}


def test_a_record_of_a_gpu_yields_a_table_and_a_picture(tmp_path, monkeypatch, capsys):
    data, drawn = on_a_gpu(), []
    assert machine.name(data["machine_info"]) == "some-card-80gb"
    save = pictures.Figure.savefig
    monkeypatch.setattr(
        pictures.Figure, "savefig", lambda one, path, **more: drawn.append(one) or save(one, path, **more)
    )
    path = tmp_path / "some-card-80gb.json"
    path.write_text(json.dumps(data))
    monkeypatch.setattr(sys, "argv", ["report.py", str(path)])
    report.main()
    says = capsys.readouterr().out
    assert says.startswith("Some Card 80GB; Some CPU, 4 threads")
    assert "A step on a GPU" in says
    assert "copy ≥ 0.93" in says
    assert (tmp_path / "some-card-80gb" / "gpu.png").read_bytes().startswith(b"\x89PNG")
    assert "![A step on a GPU](some-card-80gb/gpu.png)" in (tmp_path / "some-card-80gb.md").read_text(encoding="utf-8")
    (one,) = drawn
    panels = {axes.get_title(loc="left"): axes for axes in one.axes if axes.axison}
    assert list(panels) == ["GPU, Adam, float32", "GPU, 10⁷ elements, float64", ""]
    assert len(panels["GPU, Adam, float32"].lines) == 4
    labels = [[label.get_text() for label in axes.get_yticklabels()] for axes in list(panels.values())[1:]]
    assert labels == [
        ["gd", "adagrad", "adam"],
        ["GPU, Adam on 10⁸ elements, float32", "GPU, Adam on 1000 elements replayed, float32"],
    ]


def test_the_section_replaces_only_itself():
    text = f"before\n{headlines.BEGIN}old\n{headlines.END}after\n"
    assert headlines.with_section(text, "new\n") == f"before\n{headlines.BEGIN}new\n{headlines.END}after\n"


def test_the_picture_of_the_headlines_can_be_drawn(tmp_path):
    headlines.draw(runs(), tmp_path / headlines.PICTURE)
    with Image.open(tmp_path / headlines.PICTURE) as picture:
        assert picture.text["Description"] == written()


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        (figure(1.0, "×", least=1), figure(1.0, "×", least=1), False),
        (figure(1.0, "×", least=1), figure(1.3, "×", least=1), True),
        (figure(1.0, "×", least=1), figure(1.2, "×", least=1), False),
        (figure(1.2, "×", least=1), figure(1.0, "×", least=1), False),
        (figure(1.0, "×", 0.3, least=1), figure(1.3, "×", 0.3, least=1), False),  # within the spread
        (figure(1.3, "×", most=1.1), figure(1.0, "×", most=1.1), True),
        (figure(1.5), figure(1.0), False),  # a time alone: others may have used the memory
        (figure(2.5), figure(1.0), True),
        (figure(2.5, spread=0.7), figure(1.0, spread=0.7), False),
    ],
)
def test_what_is_a_regression(new, old, worse):
    assert bool(regress.regressions(run(work=new), run(work=old))) == worse


def test_a_time_with_a_peer_is_judged_by_their_ratio():
    peer = "  PyTorch over fastopt"
    old = run(work=figure(1.0), **{peer: figure(20.0, "×", least=15)})
    slow_machine = run(work=figure(3.0), **{peer: figure(20.0, "×", least=15)})
    slower = run(work=figure(1.3), **{peer: figure(15.0, "×", least=15)})
    assert not regress.regressions(slow_machine, old)
    assert [what for _, what, _, _ in regress.regressions(slower, old)] == [peer]


def test_where_memory_is_the_limit_its_ratio_counts():
    limit, peer = "  the limit over fastopt", "  PyTorch over fastopt"
    old = run(**{limit: figure(1.0, "×", 0.02, least=0.95), peer: figure(2.0, "×", least=1.15)})
    slow_peer = run(**{limit: figure(1.0, "×", 0.02, least=0.95), peer: figure(1.2, "×", least=1.15)})
    slower = run(**{limit: figure(0.85, "×", 0.02, least=0.95), peer: figure(2.0, "×", least=1.15)})
    assert not regress.regressions(slow_peer, old)
    assert [what for _, what, _, _ in regress.regressions(slower, old)] == [limit]


def test_exit_codes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(regress, "RESULTS", tmp_path)
    (tmp_path / "some-cpu-4-threads.json").write_text(json.dumps(run(work=figure(1.0))))
    path = tmp_path / "run"
    path.write_text(json.dumps(run(work=figure(1.0))))
    assert regress.main(path) == 0
    path.write_text(json.dumps(run(work=figure(9.0))))
    assert regress.main(path) == 1
    assert "slower than committed: work: 1 µs to 9 µs" in capsys.readouterr().out
    elsewhere = copy.deepcopy(run(work=figure(9.0)))
    elsewhere["machine_info"]["cpu"] = "Another"
    path.write_text(json.dumps(elsewhere))
    assert regress.main(path) == 0
    assert "9 µs" in capsys.readouterr().out
