"""Races: contestants by turns in one process, each checked before it is timed; a table of figures at the end."""

import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numba
import numpy as np
import pytest
import table

from fastopt.cli.crossover import enough_calls, lap

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for the reference that results are checked against

ROUNDS = 400
RECORDS = pytest.StashKey[list]()

# What --quick keeps: a tenth of the rounds, one rule of each number of state arrays, nothing that takes a gigabyte.
QUICK_RULES, QUICK_SIZE = ("sgd", "adagrad", "adam"), 10**7


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="fewer rounds and rules, in two and a half minutes")


def pytest_collection_modifyitems(config, items):
    def kept(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        rule = getattr(params.get("rule"), "name", QUICK_RULES[0])
        return rule in QUICK_RULES and params.get("size", 0) <= QUICK_SIZE

    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if not kept(item)])
        items[:] = [item for item in items if kept(item)]


@pytest.fixture
def torch():
    """PyTorch with one thread, which is its best for small arrays; None where it is not installed."""
    try:
        import torch
    except ImportError:
        yield None
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(before)


@pytest.fixture
def jax_peers():
    """The module with the same work in JAX; None where that or optax is not installed."""
    try:
        import jax_peers
    except ImportError:
        return None
    return jax_peers


def quartiles(samples):
    low, median, high = map(float, np.quantile(samples, (0.25, 0.5, 0.75)))
    return {"median": median, "q1": low, "q3": high, "min": float(np.min(samples))}


@pytest.fixture
def figure(benchmark):
    """``figure(what, samples, unit, most=, least=)``: a line of the table, kept in the benchmark's record."""

    def note(what, samples, unit, **target):
        if benchmark.disabled:
            return
        benchmark.extra_info.setdefault("figures", {})[what] = {**quartiles(samples), "unit": unit, **target}

    return note


@pytest.fixture
def curve(benchmark):
    """``curve(title, name, size, seconds)``: a point of a picture of time against size, kept in the record."""

    def note(title, name, size, seconds):
        if not benchmark.disabled:
            curves = benchmark.extra_info.setdefault("curves", {}).setdefault(title, {})
            curves.setdefault(name, []).append({"size": size, **quartiles(seconds)})

    return note


@pytest.fixture
def pace(benchmark):
    """``pace(work, name, seconds, beside)``: how many times as fast as that; a bar of a picture, kept in the record."""

    def note(work, name, seconds, beside):
        if not benchmark.disabled:
            paces = benchmark.extra_info.setdefault("paces", {}).setdefault(work, {})
            paces[name] = {**quartiles(beside / seconds), "per_second": float(np.median(1 / seconds))}

    return note


@pytest.fixture(autouse=True)
def record(benchmark, request):
    """Keep the record for the table, with how many threads each side ran on."""
    yield
    found = {"Numba": numba.get_num_threads()}
    if torch := sys.modules.get("torch"):
        found["PyTorch"] = torch.get_num_threads()
    benchmark.extra_info["threads"] = found
    kept = {"fullname": request.node.nodeid, "extra_info": benchmark.extra_info}
    request.config.stash.setdefault(RECORDS, []).append(kept)


@dataclass
class Contestant:
    """What is timed, ``step()``; ``result()``, its parameters by now; and what those must be after some steps."""

    step: Any
    result: Any
    expected: Any


@pytest.fixture
def race(benchmark, request):
    """``race({name: Contestant}, steps, rtol, rounds=)``: seconds per step by name, one sample per round.

    Before, each contestant is stepped so many times, and checked to that relative tolerance. The first contestant is
    the benchmark of pytest-benchmark's own table. None if benchmarks are disabled.
    """

    def race(contestants, steps, rtol, rounds=ROUNDS):
        for name, contestant in contestants.items():
            for _ in range(steps):
                contestant.step()
            np.testing.assert_allclose(contestant.result(), contestant.expected, rtol, rtol / 10, err_msg=name)
        first = next(iter(contestants.values())).step
        if benchmark.disabled:
            benchmark(first)
            return None
        calls = {name: enough_calls(contestant.step) for name, contestant in contestants.items()}
        if request.config.getoption("quick"):
            rounds = max(4, rounds // 10)
        seconds = {name: np.empty(rounds) for name in contestants}
        names, order = list(contestants), np.random.default_rng(0)
        gc.collect()
        gc.disable()
        try:
            for k in range(rounds):
                for name in order.permutation(names):  # so that nobody always runs after the same other
                    seconds[name][k] = lap(contestants[name].step, calls[name])
        finally:
            gc.enable()
        benchmark.pedantic(first, rounds=min(rounds, 20), iterations=calls[names[0]])
        return seconds

    return race


def pytest_benchmark_update_machine_info(machine_info):
    found = machine.describe(machine_info.get("cpu", {}))
    machine_info.clear()  # of the computer's own name, for one
    machine_info.update(found)


def pytest_benchmark_update_json(output_json):
    output_json["commit_info"] = {key: output_json["commit_info"].get(key) for key in ("id", "time", "dirty")}
    for benchmark in output_json["benchmarks"]:  # the quartiles are kept
        benchmark["stats"].pop("data", None)
    cards = {benchmark["extra_info"].pop("card", None) for benchmark in output_json["benchmarks"]}
    if len(cards) == 1 and None not in cards:  # a run of test_gpu.py alone
        output_json["machine_info"]["card"] = cards.pop()


def pytest_terminal_summary(terminalreporter, config):
    found = table.rows(config.stash.get(RECORDS, []))
    if found and not config.getoption("benchmark_json"):  # ci/bench prints what is in the file
        terminalreporter.section("medians, and how many times as long the peers took")
        terminalreporter.write_line(table.text(found))
