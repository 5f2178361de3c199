"""One step of every rule: of 1000 elements, of 10⁷ beside what memory allows, and of every size between."""

import pytest
from step_peers import OPTAX, TORCH, Start, best_threads, fastopts, limit, numpys, optaxs, torches

import fastopt

STEPS = 5  # before the race, to compare results
SMALL, LARGE = 1000, 10**7
SIZES = [10, 100, 1000, 10**4, 10**5, 10**6, 10**7, 5 * 10**7]
MOST = {"float32": 1.6, "float64": 2.6}  # µs, for a small step with all its checks
BOUND_BY_DIVISION = ("adagrad", "rmsprop", "lion", "nadam")  # in float32; and adadelta
RTOL = {"float32": 1e-5, "float64": 1e-6}

each_dtype = pytest.mark.parametrize("dtype", MOST)
each_rule = pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
BY_NAME = {rule.name: rule for rule in fastopt.RULES}


def kind_of(rule):
    return "fused" if "fused" in TORCH[rule.name][1] else "foreach"


@each_dtype
@each_rule
def test_small(race, figure, torch, rule, dtype):
    start = Start(rule, SMALL, dtype, STEPS)
    contestants = {"fastopt": fastopts(rule, start)}
    if torch and rule.name in TORCH:
        contestants[f"PyTorch {kind_of(rule)}"] = torches(torch, rule, start)
    seconds = race(contestants, STEPS, RTOL[dtype])
    if seconds is None:
        return
    figure(f"step of {SMALL}, {dtype}, {rule.name}", seconds["fastopt"] * 1e6, "µs", most=MOST[dtype])
    for peer in list(contestants)[1:]:
        figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×", least=15)


@each_dtype
@each_rule
def test_large(race, figure, torch, jax_peers, rule, dtype):
    start = Start(rule, LARGE, dtype, STEPS)
    contestants = {"fastopt": fastopts(rule, start), "the limit": limit(rule, start)}
    if torch and rule.name in TORCH:
        best_threads(torch, torches(torch, rule, start).step)
        contestants[f"PyTorch {kind_of(rule)}"] = torches(torch, rule, start)
    if jax_peers and rule.name in OPTAX:
        contestants["optax"] = optaxs(jax_peers, rule, start)
    seconds = race(contestants, STEPS, RTOL[dtype], rounds=20)
    if seconds is None:
        return
    bound = rule.name == "adadelta" or (rule.name in BOUND_BY_DIVISION and dtype == "float32")
    least = {"the limit": 0.85 if bound else 0.95, "optax": 1.6}
    figure(f"step of 10⁷, {dtype}, {rule.name}", seconds["fastopt"] * 1e3, "ms")
    for peer in list(contestants)[1:]:
        figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×", least=least.get(peer, 1.15))
    for peer in list(contestants)[2:]:  # the most that any kernel can be faster than the peer
        figure(f"  {peer} over the limit", seconds[peer] / seconds["the limit"], "×")


@each_dtype
@each_rule
def test_sizes(race, curve, rule, dtype):
    contestants = {size: fastopts(rule, Start(rule, size, dtype, STEPS)) for size in SIZES}
    seconds = race(contestants, STEPS, RTOL[dtype], rounds=8)
    for size in SIZES if seconds is not None else ():
        curve(f"fastopt, {dtype}", rule.name, size, seconds[size])


@pytest.mark.parametrize("size", SIZES)
def test_adam_of_any_size(race, figure, curve, torch, jax_peers, size):
    """The whole field on one rule."""
    rule = BY_NAME["adam"]
    start = Start(rule, size, "float32", STEPS)
    contestants = {"fastopt": fastopts(rule, start), "the limit": limit(rule, start), "NumPy": numpys(start)}
    if torch:
        best_threads(torch, torches(torch, rule, start).step)
        contestants["PyTorch fused"] = torches(torch, rule, start)
        contestants["PyTorch foreach"] = torches(torch, rule, start, foreach=True)
        contestants["PyTorch for-loop"] = torches(torch, rule, start, foreach=False)
    if jax_peers:
        contestants["optax"] = optaxs(jax_peers, rule, start)
    seconds = race(contestants, STEPS, 1e-5, rounds=60 if size < 10**6 else 8)
    for name in contestants if seconds is not None else ():
        curve("Adam, float32", name, size, seconds[name])
    if seconds is not None:
        figure(f"Adam, float32, {size} elements", seconds["fastopt"] * 1e6, "µs")
        for peer in list(contestants)[1:]:
            figure(f"  {peer} over fastopt", seconds[peer] / seconds["fastopt"], "×")
