"""From what size on threads pay, or a GPU, and whether fastopt takes threads there; what fastopt crossover measures."""

import numpy as np
import pytest

import fastopt
from fastopt.cli.crossover import Crossover, beats_from, by_turns
from fastopt.kernels.cpu import threshold

SIZES = [round(10 ** (k / 2)) for k in range(4, 13)]  # 100 to 10⁶
RULES = [rule for rule in fastopt.RULES if rule.name in ("sgd", "adagrad", "adam")]


def check(rule, dtype):
    """Serial and parallel steps must agree, to the bit."""
    p, q = np.ones((2, SIZES[-1]), dtype)
    for params, parallel in ((p, False), (q, True)):
        fastopt.Optimizer(params, rule, parallel=parallel).step(np.linspace(-1, 1, SIZES[-1], dtype=dtype))
    np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_crossover(benchmark, figure, curve, rule, dtype):
    check(rule, dtype)
    found = {}
    benchmark.pedantic(lambda: found.update({n: by_turns(rule, dtype, n) for n in SIZES}), rounds=1)
    seconds = {name: [np.median(found[n][name]) for n in SIZES] for name in found[SIZES[0]]}
    for name in seconds:
        for n in SIZES:
            curve(f"{rule.name}, {dtype}", name, n, found[n][name])
    crossover, cpu = Crossover(rule, dtype, tuple(SIZES), seconds, {}), [name for name in seconds if name != "cuda"]
    if "cuda" in seconds and (start := beats_from(crossover, "cuda", *cpu)):
        figure(f"a GPU pays from, {rule.name}, {dtype}", [start], "elements")
    if "parallel" not in seconds:
        return
    start = beats_from(crossover, "parallel", "serial")
    if start:
        figure(f"threads pay from, {rule.name}, {dtype}", [start], "elements")
    limit = threshold(rule, dtype)
    figure(f"  fastopt takes them from, {rule.name}, {dtype}", [limit], "elements")
    taken = [seconds["parallel" if n >= limit else "serial"][k] for k, n in enumerate(SIZES)]
    lost = max(t / min(pair) for t, *pair in zip(taken, *(seconds[name] for name in cpu)))
    figure(f"  its choice over the faster, at the worst size, {rule.name}, {dtype}", [lost], "×")
