"""The command line: what it prints and writes."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import QUICK, fresh, run, write_csv
from processes import with_package
from stepping import BY_NAME

import fastopt
from fastopt.cli.crossover import no_cuda
from fastopt.kernels.cpu import threshold
from fastopt.rules.table import rules_markdown
from fastopt.targets import missing


@pytest.fixture(autouse=True)
def wait_policy(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # the command sets it for its process: not for all tests


# --- compare ---------------------------------------------------------------------------------------------------------


def test_table_and_json_say_the_same(tmp_path):
    path = tmp_path / "out.json"
    result = run("compare", "--rule", "adam", "--rule", "gd", "--epochs", 3, "--json", path)
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["parameters"], found["epochs"], found["updates_per_epoch"]) == (650, 3, 23)
    assert found["examples"] == {"train": 1438, "held_out": 359}
    assert "650 parameters" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if re.match("(adam|gd) +(serial|parallel)", line)]
    assert len(rows) == len(found["runs"])
    for row, one in zip(rows, found["runs"]):
        assert one["gap_percent"] == pytest.approx(100 * (one["loss"] / found["optimum"]["loss"] - 1), abs=1e-9)
        assert row[:5] == [
            one["rule"],
            one["target"],
            f"{one['lr']:g}",
            f"{one['loss']:.4f}",
            f"{one['gap_percent']:.3f}",
        ]
        assert ("✗" in row) == (one["gap_percent"] > 1)
        assert row[-3:] == [f"{100 * one['score']:.2f}", f"{one['us_per_update']:.1f}", f"{one['us_per_step']:.1f}"]
        assert one["curve"]["epoch"] == [0, 1, 2, 3]
        assert one["curve"]["loss"][-1] == one["loss"]
        assert one["curve"]["seconds"] == sorted(one["curve"]["seconds"])
        assert not one["diverged"]


@pytest.mark.parametrize(
    "options",
    [
        ["--data", "diabetes", "--rule", "sgd"],
        ["--data", "diabetes", "--model", "poisson", "--rule", "sgd"],
        ["--data", "breast_cancer", "--rule", "adam"],
        ["--model", "mlp", "--hidden", "8", "--rule", "adam"],
    ],
    ids=" ".join,
)
def test_serial_and_parallel_are_equal_to_the_bit(options, tmp_path):
    path = tmp_path / "out.json"
    result = run("compare", *options, "--epochs", 2, "--json", path)
    assert result.exit_code == 0, result.output
    curves = [one["curve"]["loss"] for one in json.loads(path.read_text(encoding="utf-8"))["runs"]]
    assert curves
    assert all(curve == curves[0] for curve in curves)


def test_a_network_has_no_gap(tmp_path):
    path = tmp_path / "out.json"
    result = run(*QUICK, "--data", "breast_cancer", "--model", "mlp", "--hidden", 4, "--json", path)
    assert "– no gap: a network has no unique optimum" in result.stdout
    assert "with 4 hidden units" in result.stdout
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["optimum"]["loss"] is None
    assert found["runs"][0]["gap_percent"] is None
    assert 0 <= found["runs"][0]["score"] <= 1


def test_without_penalty_a_separable_problem_has_no_gap(tmp_path):
    y = np.repeat([0, 1], 20)
    lines = ["x,y"] + [f"{10 * label + k / 100},{label}" for k, label in enumerate(y)]
    result = run(*QUICK, "--data", write_csv(tmp_path / "table.csv", lines), "--l2", 0)
    assert result.exit_code == 0, result.output
    assert "raise --l2" in result.stdout


def test_a_diverged_run_says_so(tmp_path):
    path = tmp_path / "out.json"
    done = run(*QUICK, "--data", "diabetes", "--lr", "1e200", "--json", path, "--plot", tmp_path / "out.png")
    assert done.exit_code == 0, done.output  # nor was there a warning, which is an error here
    assert "diverged" in done.stdout
    one = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
    assert (one["diverged"], one["loss"], one["gap_percent"], one["score"]) == (True, None, None, None)


def test_picture(tmp_path):
    for options in (["--rule", "adam", "--rule", "gd"], ["--model", "mlp", "--hidden", "3", "--rule", "adam"]):
        path = tmp_path / "out.png"
        result = run("compare", "--data", "breast_cancer", *options, "--epochs", 2, "--plot", path)
        assert result.exit_code == 0, result.output
        assert f"wrote {path}" in result.stderr
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_pipe_gets_whole_lines_without_colours():
    done = fresh(*QUICK, COLUMNS="30")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "…" not in done.stdout
    assert re.search(r"^sgd +serial +[\d.]+ +[\d.]+ +[\d.]+ ✗ +[\d.]+ +[\d.]+ +[\d.]+ *$", done.stdout, re.MULTILINE)
    assert re.search(r"^sgd serial: loss [\d.]+ \(", done.stderr, re.MULTILINE)


def test_one_thread_has_no_parallel_rows():
    done = fresh(*QUICK, NUMBA_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert "no parallel rows: there is one thread only" in done.stdout
    assert "parallel  " not in done.stdout


# --- the other commands ----------------------------------------------------------------------------------------------


def test_rules():
    result = run("rules")
    assert result.exit_code == 0
    for rule in fastopt.RULES:
        assert re.search(rf"^{rule.label} +{re.escape(rule.equation)} ", result.stdout, re.MULTILINE)


def test_rules_as_markdown():
    lines = rules_markdown().splitlines()
    assert len(lines) == 2 + len(fastopt.RULES)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in lines)
    assert f"| `{fastopt.RULES[-1].label}` |" in lines[-1]


def test_info():
    result = run("info")
    assert result.exit_code == 0, result.output
    says = f"none: {re.escape(missing())}$" if missing() else r"\S"
    assert re.search(rf"^cuda +{says}", result.stdout, re.MULTILINE)
    assert re.search(rf"^numpy +{re.escape(np.__version__)}$", result.stdout, re.MULTILINE)
    assert re.search(r"^threading layer +\S+", result.stdout, re.MULTILINE)
    sizes = " +".join(str(threshold(BY_NAME["adam"], dtype)) for dtype in ("float32", "float64"))
    assert re.search(rf"^adam +{sizes}", result.stdout, re.MULTILINE)


@pytest.mark.needs("cuda")
def test_info_of_a_card(monkeypatch):
    from fastopt.kernels.cuda import gpu as cuda

    if cuda.SIMULATED:
        pytest.skip("the simulator has no card")
    memory = SimpleNamespace(free=0, total=80 * 2**30)
    context = SimpleNamespace(get_memory_info=lambda: memory)
    monkeypatch.setattr(cuda.cuda, "current_context", lambda: context)
    card = SimpleNamespace(name="Some Card", compute_capability=(9, 0))
    monkeypatch.setattr(cuda.cuda, "get_current_device", lambda: card)
    monkeypatch.setattr("numba.cuda.cudadrv.driver.get_version", lambda: (13, 1))
    monkeypatch.setattr("fastopt.cli.info.missing", lambda: None)
    says = "Some Card, compute capability 9.0, 80.0 GiB, driver for CUDA 13.1, numba-cuda "
    assert re.search(rf"^cuda +{says}[\d.]+$", run("info").stdout, re.MULTILINE)


def test_info_respects_the_cache_folder(tmp_path):
    done = fresh("info", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^kernel cache +{re.escape(str(tmp_path))}", done.stdout, re.MULTILINE)
    assert re.search(r"^cache size +0\.[1-9] MB in [1-9]\d* files$", done.stdout, re.MULTILINE)


def test_cache_says_what_kernels_take_and_clears_no_other_file(tmp_path):
    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    step = "import fastopt, numpy as np; fastopt.GD(np.ones(2)).step(np.ones(2))"
    subprocess.run([sys.executable, "-c", step], env=with_package(**place), check=True, timeout=300)
    ours = [file for file in tmp_path.rglob("*") if file.is_file()]
    older = [ours[0].parent / f"step.adam_float64_6d2740219e83149b-58.py311.{end}" for end in ("nbi", "1.nbc")]
    others = [ours[0].parent / "user.nbi", tmp_path / "mine.fastopt", tmp_path / older[0].name]
    for other in older + others:
        other.write_text("a user's, or of an older version")
    ours += older
    says = fresh("cache", **place).stdout
    sizes = re.findall(r"^([\d.]+) MB in (\d+) files +(.+)$", says, re.MULTILINE)
    assert sum(int(count) for _, count, folder in sizes if folder != "in all") == len(ours)
    assert sizes[-1] == (f"{sum(file.stat().st_size for file in ours) / 1e6:.1f}", str(len(ours)), "in all")
    assert {str(file.parent) for file in ours} <= {folder for *_, folder in sizes}
    done = fresh("cache", "--clear", **place)
    assert done.stdout.startswith(f"freed {sizes[-1][0]} MB in {len(ours)} files; ")
    assert re.search(
        rf"^left alone, as fastopt may not have written it: {re.escape(str(others[0]))}$", done.stdout, re.M
    )
    assert sorted(file for file in tmp_path.rglob("*") if file.is_file()) == sorted(others)
    assert re.search(r"^0\.0 MB in 0 files +in all$", fresh("cache", **place).stdout, re.MULTILINE)


def test_cache_says_what_could_not_be_deleted(tmp_path, monkeypatch):
    names = ["a.fastopt", "b.fastopt"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(200_000))
    unlink = os.unlink

    def in_use(path):
        if str(path).endswith("b.fastopt"):
            raise PermissionError(13, "in use", path)
        unlink(path)

    monkeypatch.setattr("fastopt.cli.cache.folders", lambda: [str(tmp_path)])
    monkeypatch.setattr("os.unlink", in_use)
    done = run("cache", "--clear")
    assert done.stdout.startswith("freed 0.2 MB in 1 files; ")
    assert "\nstill there, as they could not be deleted: 0.2 MB in 1 files\n" in done.stdout
    assert os.listdir(tmp_path) == ["b.fastopt"]


def test_warmup_leaves_nothing_to_compile():
    for _ in range(2):
        done = fresh("warmup", "--rule", "gd", "--dtype", "float32")
        assert done.returncode == 0, done.stderr
    kinds, count = (4, 7) if no_cuda() else (7, 15)
    assert re.search(rf"^gd +float32( +[\d.]+){{{kinds}}} *$", done.stdout, re.MULTILINE)
    assert re.search(rf"^{count} kernels in [\d.]+ s: 0 compiled, {count} from the cache", done.stdout, re.MULTILINE)
    assert ("\nno cuda: " in done.stdout) == bool(no_cuda())
    assert "float64" not in done.stdout


def test_the_library_imports_nothing_of_the_command_line():
    program = "import sys, fastopt; print([m for m in ('typer', 'rich', 'matplotlib', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
