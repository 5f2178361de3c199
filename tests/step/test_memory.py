"""Memory: state is as many arrays as the rule has, and a step allocates nothing beyond it."""

import itertools
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from stepping import ONE_OF_EACH

import fastopt

SIZE = 300_000
SMALL = 16_000  # bytes that Python's own objects may take: numbers, tuples, views
DTYPE = np.float32

each_rule = pytest.mark.parametrize("rule", fastopt.RULES, ids=lambda rule: rule.name)
OPTIONS = [{"weight_decay": 0.1}, {"clip_norm": 1.0}, {"clip_value": 1.0}, {"check_finite": True}]
# Every rule; and with each option one of those with so many state arrays, for options do not ask which rule it is.
OF_EACH_SIZE = list({len(rule.state): rule for rule in reversed(fastopt.RULES)}.values())
STEPS = [(rule, {}) for rule in fastopt.RULES] + list(itertools.product(OF_EACH_SIZE, OPTIONS))
IN_WAYS = [(rule, options, False) for rule, options in STEPS]
IN_WAYS += [(rule, options, True) for rule, options in STEPS if options or rule.name in ONE_OF_EACH]


def allocated(work):
    """Bytes that it held at its peak beyond those at its start, and those it still holds; NumPy's arrays count."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = work()
        now, peak = tracemalloc.get_traced_memory()
        del kept
        return peak - before, now - before
    finally:
        tracemalloc.stop()


def test_allocations_are_seen():
    assert allocated(lambda: np.ones(SIZE, DTYPE))[0] >= 4 * SIZE


@each_rule
def test_state_is_exactly_its_arrays(rule):
    p = np.ones(SIZE, DTYPE)
    fastopt.Optimizer(p, rule)  # compiles
    peak, kept = allocated(lambda: fastopt.Optimizer(p, rule))
    exactly = len(rule.state) * p.nbytes + 8 * len(rule.keeps)
    assert exactly <= kept <= exactly + SMALL
    assert peak <= exactly + SMALL
    assert sum(a.nbytes for a in fastopt.Optimizer(p, rule).state.values()) == exactly


@pytest.mark.parametrize(("rule", "options", "parallel"), IN_WAYS, ids=lambda given: getattr(given, "name", str(given)))
def test_a_step_allocates_nothing(rule, options, parallel):
    p, g = np.ones(SIZE, DTYPE), np.ones(SIZE, DTYPE)
    opt = fastopt.Optimizer(p, rule, parallel=parallel, **options)
    opt.step(g)
    assert allocated(lambda: opt.step(g))[0] <= SMALL


def test_gradients_of_packed_parameters_are_gathered_in_one_buffer():
    params = fastopt.pack([np.ones(SIZE, DTYPE), np.ones((3, SIZE // 3), DTYPE)])
    grads = [np.ones_like(p) for p in params]
    opt = fastopt.Adam(params)
    buffer = sum(p.nbytes for p in params)
    peak, _ = allocated(lambda: opt.step(grads))
    assert buffer <= peak <= buffer + SMALL
    assert allocated(lambda: opt.step(grads))[0] <= SMALL


# Compiled code allocates where tracemalloc does not look, so the process's own peak is reset and read again.
PROGRAM = """
import json, re
import numpy as np
import fastopt

def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

p, g = np.ones(10**7, np.float32), np.ones(10**7, np.float32)
taken = {}
for rule in fastopt.RULES:
    if rule.name not in ("sgd", "adam", "adadelta"):
        continue
    for parallel in (False, True):
        opt = fastopt.Optimizer(p, rule, parallel=parallel, clip_norm=1.0)
        opt.step(g)
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        opt.step(g)
        taken[f"{rule.name} {parallel}"] = status("VmHWM") - before
        if rule.name == "sgd":
            opt.step(g + 1)
            taken[f"a copy {parallel}"] = status("VmHWM") - before
print(json.dumps(taken))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux lets a process reset its peak")
def test_the_peak_of_the_process():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert len(taken) == 8
    for what, grown in taken.items():
        if what.startswith("a copy"):
            assert grown > 35e6, what
        else:
            assert grown < 2e6, what
