"""Laws that every rule obeys, the built-in ones and a user's: a new rule in RULES is tested by its being there."""

import ast
import inspect
import os
import platform
import re
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import FunctionType

import numba
import numpy as np
import pytest
from numba import njit, prange, types
from numba.core import event
from stepping import BY_NAME, CASES, COMPILED, DTYPES, IN_PARALLEL, bits, leaves, name_of, problem

import fastopt
from fastopt.kernels import bind, cpu
from fastopt.kernels import threads as kernel_threads
from fastopt.rules import ALL_RULES

each_rule = pytest.mark.parametrize("rule", ALL_RULES, ids=name_of)
ALONE = [
    rule for rule in ALL_RULES if not rule.reduces
]  # the others: tests/rules/test_reduced.py, tests/step/test_sums.py
each_without_sums = pytest.mark.parametrize("rule", ALONE, ids=name_of)
each_compiled = pytest.mark.parametrize("rule", [BY_NAME[name] for name in COMPILED], ids=name_of)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
STAGED = {"weight_decay": 0.1, "clip_value": 0.9}
MODES = {"serial": {"parallel": False}, "parallel": {"parallel": True}, "staged": {"parallel": False, **STAGED}}


IN_MODES = [
    (rule, mode, dtype)
    for rule in ALL_RULES
    for mode in MODES
    for dtype in DTYPES
    if mode == "serial" or rule.name in COMPILED
    if mode != "parallel" or (rule.name, dtype) in IN_PARALLEL
]


def distinct(rules, part):
    """One rule for each different function."""
    return list({getattr(rule, part): rule for rule in rules}.values())


def data(rule, dtype, size, seed=0):
    """Parameters, gradient and positive state."""
    rng = np.random.default_rng(seed)
    p, g = rng.normal(size=(2, size)).astype(dtype)
    return p, g, [rng.uniform(0.5, 1, size).astype(dtype) for _ in rule.state]


def made(rule, p, state=None, **options):
    """An optimiser whose state starts as given."""
    opt = fastopt.Optimizer(p, rule, **options)
    for slot, start in zip(rule.state, state or ()):
        opt.state[slot][:] = start
    return opt


def python_step(rule, dtype, p, g, state, t, hyper):
    """The rule in plain Python, on scalars of the dtype: new parameters, new state."""
    c = [dtype(x) for x in rule.coefficients(t, *hyper)]
    with np.errstate(all="ignore"):
        rows = [rule.update(*elements, *c) for elements in zip(p, g, *state)]
    assert {type(x) for row in rows for x in row} <= {dtype}  # a literal of Python's would stay unseen, NumPy's not
    return list(np.array(rows, dtype).reshape(p.size, 1 + len(state)).T)


# ---------------------------------------------------------------- the text of a rule


def called(*functions):
    """Functions and the plain functions that they call, by global name."""
    found, todo = {}, [*functions]
    while todo:
        f = todo.pop()
        if f not in found:
            found[f] = ast.parse(textwrap.dedent(inspect.getsource(f)))
            names = {node.id for node in ast.walk(found[f]) if isinstance(node, ast.Name)}
            todo += [f.__globals__[n] for n in names if isinstance(f.__globals__.get(n), FunctionType)]
    return found


def name_in(node):
    return getattr(node, "id", getattr(node, "attr", ""))


@each_rule
def test_update_and_sums_have_no_literals_and_no_max_or_min(rule):
    for function, tree in called(rule.update, *rule.reduces.values()).items():
        where = f"{function.__module__}.{function.__name__}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                assert isinstance(node.value, str), f"{where} holds the literal {node.value}"
            assert name_in(node) not in ("max", "min", "maximum", "minimum", "fmax", "fmin"), f"{where} has {node.id}"


@pytest.mark.parametrize("rule", fastopt.RULES, ids=name_of)
def test_rule_files_are_short(rule):
    text = inspect.getsource(sys.modules[import_module(f"fastopt.rules.{rule.name}").__name__])
    tree = ast.parse(text)
    inner = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]
    docs = [node.body[0] for node in inner if ast.get_docstring(node) is not None]
    documented = {line for doc in docs for line in range(doc.lineno, doc.end_lineno + 1)}
    lines = [line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in documented]
    count = sum(bool(line) and not line.startswith("#") for line in lines)
    assert count <= 45


@each_rule
def test_rules_are_described(rule):
    assert rule.doc
    assert rule.label in fastopt.__all__
    assert not any(ord(c) > 127 for c in rule.name)
    if rule in fastopt.RULES:
        assert rule.equation


# ---------------------------------------------------------------- decoupled decay

DECOUPLED = [
    (rule, options)
    for rule in fastopt.RULES
    for options in rule.variants
    if "decoupled" in options and not rule.reduces  # whose rate is not known before their sums
    if rule.name not in ("adam", "amsgrad", "adan")  # AdamW, and a decay after the step
]


@pytest.mark.parametrize(
    ("rule", "options"), DECOUPLED, ids=lambda part: "+".join(part) if isinstance(part, tuple) else part.name
)
def test_a_decoupled_variant_is_its_rule_after_the_decay(rule, options):
    """To the bit, in plain Python. From the second step on, for MADGRAD's start is not decayed."""
    decoupled = rule.variants[options]
    plain = rule.variants.get(tuple(name for name in options if name != "decoupled"), rule)
    assert (decoupled.state, decoupled.label) == (plain.state, plain.label)
    assert decoupled.hyper == plain.hyper | {"weight_decay": 0.0}
    assert dict(decoupled.initial) == dict(plain.initial)
    named = {n: 0.5 if isinstance(value, bool) else float(value) or 0.25 for n, value in plain.hyper.items()}
    numbers, named["weight_decay"] = [*named.values()], 0.3
    p, g, state = data(plain, np.float64, 23)
    for t in (2, 3, 400):
        *c, keep = decoupled.coefficients(t, *(named[n] for n in decoupled.hyper))
        assert tuple(c) == plain.coefficients(t, *numbers)
        now = c[0] if plain.name == "adagrad" else numbers[0]  # lr_decay holds for the decay too
        assert keep == 1.0 - now * 0.3
        for elements in zip(p, g, *state):
            decayed = (elements[0] * keep, *elements[1:])
            assert decoupled.update(*elements, *c, keep) == plain.update(*decayed, *c)


# ---------------------------------------------------------------- arithmetic


@each_dtype
@each_without_sums
def test_kernel_and_plain_python_agree_to_the_bit(rule, dtype):
    """And plain Python keeps the dtype: see ``python_step``."""
    p, g, state = data(rule, dtype, 23)
    opt = made(rule, p.copy(), state, parallel=False)
    hyper = tuple(float(x) for x in rule.hyper.values())
    for t in range(1, 11):
        p, *state = python_step(rule, dtype, p, g * dtype(t), state, t, hyper)
        opt.step(g * dtype(t))
        assert bits(opt.params, *opt.state.values()) == bits(p, *state), f"t={t}"
    for a in (opt.params, *opt.state.values()):
        assert a.dtype == dtype


def table(h, out):
    """The coefficients of steps 1, 2, ..., a row for each."""
    for t in range(out.shape[0]):
        c = coefficients(t + 1, *h)
        for k in range(len(c)):
            out[t, k] = c[k]


def coefficients(t, *h):
    """Stands for a rule's."""


@pytest.mark.parametrize("rule", distinct(ALL_RULES, "coefficients"), ids=name_of)
def test_coefficients_are_the_same_compiled(rule):
    signature = types.void(types.UniTuple(types.float64, len(rule.hyper)), types.Array(types.float64, 2, "C"))
    compiled = bind.compiled(bind.link(table, coefficients=rule.coefficients), f"table_{rule.name}", signature)
    for name, hyper in CASES:
        if BY_NAME[name].coefficients is rule.coefficients:
            h = tuple(float(hyper.get(k, default)) for k, default in BY_NAME[name].hyper.items())
            expected = np.array([rule.coefficients(t, *h) for t in range(1, 1001)])
            found = np.full_like(expected, np.nan)
            compiled(h, found)
            np.testing.assert_array_equal(found, expected)


each_update = pytest.mark.parametrize("rule", distinct(map(BY_NAME.get, COMPILED), "update"), ids=name_of)


@cache
def readable(rule):
    """The serial float32 kernel compiled anew: what comes from the disk cache cannot be read."""
    kernel = cpu.kernel(rule, np.dtype(np.float32))
    return njit(kernel.signatures, **bind.OPTIONS)(kernel.py_func)


@each_update
def test_float32_is_not_widened_and_the_loop_is_vectorised(rule):
    (code,) = readable(rule).inspect_llvm().values()
    assert not re.search(r"\bfpext\b", code)
    assert re.search(r"\bfmul <\d+ x float>", code)


if platform.machine().lower() in ("x86_64", "amd64"):

    @each_update
    def test_float32_in_the_machine(rule):
        (code,) = readable(rule).inspect_asm().values()
        assert not re.search(r"\bv?cvt(ps2pd|ss2sd)\b", code)
        nodes = [node for tree in called(rule.update).values() for node in ast.walk(tree)]
        for used, instruction in ((lambda n: isinstance(n, ast.Div), "div"), (lambda n: name_in(n) == "sqrt", "sqrt")):
            if any(map(used, nodes)):
                assert re.search(rf"\bv?{instruction}ps\b", code)


@pytest.mark.parametrize(
    ("rule", "mode", "dtype"),
    [case for case in IN_MODES if not case[0].reduces]
    + [(rule, "python", dtype) for rule in ALONE for dtype in DTYPES],
    ids=name_of,
)
def test_nan_comes_out_where_it_went_in(rule, mode, dtype):
    """A NaN in the gradient makes that parameter NaN, for ever, and no other, where a rule has no sums."""
    p, g, state = data(rule, dtype, 40)
    bad = g.copy()
    bad[[0, 17, 39]] = np.nan
    if mode == "python":
        hyper = tuple(float(x) for x in rule.hyper.values())
        clean, *_ = python_step(rule, dtype, p, g, state, 1, hyper)
        p, *state = python_step(rule, dtype, p, bad, state, 1, hyper)
        later, *_ = python_step(rule, dtype, p, g, state, 2, hyper)
    else:
        clean, opt = p.copy(), made(rule, p, state, **MODES[mode])
        made(rule, clean, state, **MODES[mode]).step(g)
        opt.step(bad)
        later = opt.params.copy()
        opt.step(g)
        p, later = later, opt.params
    assert np.flatnonzero(np.isnan(p)).tolist() == [0, 17, 39]
    assert bits(np.where(np.isnan(p), clean, p)) == bits(clean)
    assert np.flatnonzero(np.isnan(later)).tolist() == [0, 17, 39]


@each_dtype
def test_nan_in_the_norm_is_nan_everywhere(dtype):
    params = [np.ones(3, dtype), np.ones(2, dtype)]
    fastopt.GD(params, clip_norm=1.0).step([np.ones(3, dtype), np.array([1, np.nan], dtype)])
    assert np.isnan(np.concatenate(params)).all()


# ---------------------------------------------------------------- serial ≡ parallel


@contextmanager
def threads(n):
    before = numba.get_num_threads()
    numba.set_num_threads(n)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def nasty(rule, dtype, size):
    """Data with zeros, subnormals, infinities and NaNs between ordinary numbers."""
    rng = np.random.default_rng(size)
    arrays = []
    for k in range(2 + len(rule.state)):
        a = rng.normal(size=size)
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, *(np.finfo(dtype).tiny * np.array([0.9, -1e-3, 1.1]))])
        at = rng.random(size) < 0.3
        a[at] = rng.choice(special, at.sum())
        arrays.append((a if k < 2 else np.abs(a)).astype(dtype))
    return arrays[0], arrays[1], arrays[2:]


def after_steps(rule, p, g, state, n=3, **options):
    opt = made(rule, p.copy(), state, **options)
    for _ in range(n):
        opt.step(g)
    return bits(opt.params, *opt.state.values())


in_parallel = pytest.mark.parametrize(
    ("rule", "dtype"), [(BY_NAME[name], dtype) for name, dtype in IN_PARALLEL], ids=name_of
)


@in_parallel
def test_serial_is_parallel_to_the_bit(rule, dtype):
    """Around the edges of vectors and blocks and of the threshold, on 1 and 2 threads, and in uneven chunks."""
    edge = cpu.threshold(rule, np.dtype(dtype))
    most = min(2, numba.config.NUMBA_NUM_THREADS)
    for size in (0, 1, 31, 32, 33, 255, 256, 257, edge - 1, edge, edge + 1):
        p, g, state = nasty(rule, dtype, size)
        expected = after_steps(rule, p, g, state, parallel=False)
        for n in {1, most}:
            with threads(n):
                for parallel in (True, None):
                    assert after_steps(rule, p, g, state, parallel=parallel) == expected, (size, n, parallel)
        if rule.reduces:  # whose kernel is told of them
            continue
        many, hyper = cpu.kernel(rule, np.dtype(dtype), parallel=True), tuple(map(float, rule.hyper.values()))
        for chunks in (1, 2, 3, 7):
            q, slots = p.copy(), tuple(s.copy() for s in state)
            for t in (1, 2, 3):
                assert many(q, g, slots, 0, t, hyper, chunks) == 0
            assert bits(q, *slots) == expected, (size, f"{chunks} chunks")


@in_parallel
def test_the_threshold_parts_serial_from_parallel(rule, dtype):
    dtype, edge = np.dtype(dtype), cpu.threshold(rule, dtype)
    serial = cpu.kernel(rule, dtype, stage=False)
    assert cpu.step(rule, dtype, edge - 1) is serial
    assert (cpu.step(rule, dtype, edge) is serial) == (numba.config.NUMBA_NUM_THREADS == 1)
    assert cpu.step(rule, dtype, edge, threads=1) is serial
    assert cpu.step(rule, dtype, edge, parallel=False) is serial


# ---------------------------------------------------------------- subnormal numbers


@pytest.mark.parametrize(("rule", "mode", "dtype"), IN_MODES, ids=name_of)
def test_no_subnormal_survives(rule, mode, dtype):
    """What decays below the smallest normal number is zero, and what comes in below counts as zero."""
    tiny = np.finfo(dtype).tiny
    for start in (tiny / 8, tiny * 1.5):
        p = np.full(40, start, dtype)
        opt = made(rule, p, [np.full(40, start, dtype) for _ in rule.state], lr=0.5, **MODES[mode])
        for k in range(5):
            opt.step(np.full(40, start if k else 0, dtype))
            for a in (p, *(opt.state[slot] for slot in rule.state)):
                a = np.abs(a)
                assert not ((a > 0) & (a < tiny)).any()


def test_decaying_moments_reach_zero():
    p = np.ones(33, np.float32)
    opt = fastopt.Adam(p, betas=(0.5, 0.5))
    opt.step(np.full(33, 1e-10, np.float32))
    for _ in range(200):
        opt.step(np.zeros(33, np.float32))
    assert not opt.state["m"].any()
    assert not opt.state["v"].any()


def assert_subnormals_count():
    """In NumPy's vector loops, in plain Python, and in a pool of threads."""
    for dtype in DTYPES:
        a = np.full(33, np.finfo(dtype).tiny, dtype) * dtype(0.5)
        assert a.all()
        assert (a + a == np.finfo(dtype).tiny).all()
    assert sys.float_info.min * 0.5 > 0
    assert halves(np.full(10_000, sys.float_info.min)).all()


@njit(parallel=True, cache=True)
def halves(x):
    for i in prange(x.size):
        x[i] *= 0.5
    return x


@pytest.mark.parametrize("mode", MODES)
def test_subnormals_count_after_a_step(mode):
    assert_subnormals_count()
    for dtype in DTYPES:
        p, g, state = data(BY_NAME["adam"], dtype, 10_000)
        made(BY_NAME["adam"], p, state, **MODES[mode]).step(g)
        assert_subnormals_count()


def test_subnormals_count_after_a_refused_gradient():
    p = np.ones(100)
    opt = fastopt.Adam(p, check_finite=True, clip_norm=1.0)
    refused = [np.ones(99), p, opt.state["m"], np.ones(100, np.float32), np.full(100, np.nan), np.ones(200)[::2]]
    raw = np.zeros(801, np.uint8)[1:].view(np.float64)
    for g in [*refused, raw]:
        with pytest.raises((TypeError, ValueError)):
            opt.step(g)
        assert_subnormals_count()
    adam = BY_NAME["adam"]
    hyper = tuple(map(float, adam.hyper.values()))
    for parallel in (False, True):
        kernel = cpu.kernel(adam, np.dtype(np.float64), parallel=parallel)
        for g in (np.ones(99), p):  # the dispatcher itself refuses a misaligned one
            code = kernel(p, g, tuple(opt.state.values()), 0, 1, hyper, *((2,) if parallel else ()))
            assert code != 0
            assert_subnormals_count()
    assert (p == 1).all()


# ---------------------------------------------------------------- compilation


@each_compiled
def test_the_second_step_compiles_nothing(rule):
    params, grads = problem(np.float32, steps=4)
    ways = [
        (made(rule, params[0], parallel=False), [g[0] for g in grads]),
        (made(rule, [p.copy() for p in params], **STAGED, parallel=False, clip_norm=1.0), grads),
        (made(rule, fastopt.pack(params), parallel=False), grads),
    ]
    if (rule.name, np.float32) in IN_PARALLEL:
        ways.append((made(rule, params[0], parallel=True), [g[0] for g in grads]))
    for opt, gradients in ways:
        opt.step(gradients[0])
        kernel = cpu.kernel(rule, np.dtype(np.float32), stage=False)
        bound = cpu.kernel.cache_info().misses
        with event.install_recorder("numba:compile") as recorder:
            for g in gradients[1:]:
                opt.step(g)
        assert not recorder.buffer
        assert cpu.kernel.cache_info().misses == bound
        assert len(kernel.signatures) == 1


def test_a_step_that_finds_the_threads_taken_compiles_nothing(monkeypatch):
    """It runs serially then, as it does in a forked child."""
    p, g = np.ones((2, 50))
    with typed_in() as rule:
        opt = fastopt.Optimizer(p, rule, parallel=True)
    opt.step(g)
    bound = cpu.kernel.cache_info().misses
    monkeypatch.setattr(kernel_threads, "_launching", True)
    with event.install_recorder("numba:compile") as recorder:
        opt.step(g)
    assert opt.t == 2
    assert not recorder.buffer
    assert cpu.kernel.cache_info().misses == bound


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.float16], ids=name_of)
def test_a_stray_dtype_is_refused_and_compiles_nothing(dtype):
    opt = fastopt.Adam(np.ones(3, np.float32))
    with event.install_recorder("numba:compile") as recorder, pytest.raises(TypeError, match="must"):
        opt.step(np.ones(3, dtype))
    assert not recorder.buffer


IMPORT = """
import sys
import numpy, numba
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    before = set(sys.modules)
    import fastopt
    new = set(sys.modules) - before
print(len(recorder.buffer), *sorted({name for name in new if not name.startswith("fastopt")}))
"""


def test_import_compiles_nothing_and_imports_nothing_heavy():
    """Nothing beyond what NumPy and Numba have brought (Numba imports SciPy's root where it is installed)."""
    command = [sys.executable, "-W", "error", "-c", IMPORT]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    compiled, *modules = done.stdout.split()
    assert compiled == "0"
    heavy = ("scipy", "matplotlib", "torch", "jax", "sklearn", "rich", "typer", "numba.cuda", "numba_cuda", "cuda")
    assert not [name for name in modules if name.startswith(heavy)]


# ---------------------------------------------------------------- a user's rule

MINE = """
from math import sqrt
import fastopt

def coefficients(t, lr, beta, eps):
    return (lr if t < 3 else lr / t), beta, 1.0 - beta, eps, 0.0

def average(beta, old, rest, new):
    return beta * old + rest * new

def update(p, g, m, v, lr, beta, rest, eps, zero):
    m, v = average(beta, m, rest, g), average(beta, v, rest, g * g)
    step = lr * m / (sqrt(v) + eps)
    return p - (step if m * g > zero else -step if m * g < zero else m * g), m, v

RULE = fastopt.Rule(name="agreeing", update=update, coefficients=coefficients, state=("m", "v"),
                    hyper={"lr": 0.1, "beta": 0.9, "eps": 1e-8})
"""


@contextmanager
def from_file(tmp_path):
    (tmp_path / "my_rule.py").write_text(MINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        yield import_module("my_rule").RULE
        patch.delitem(sys.modules, "my_rule")


@contextmanager
def typed_in(tmp_path=None):
    names = {"__name__": "__main__"}
    exec(compile(MINE, "<stdin>", "exec"), names)
    yield names["RULE"]


@pytest.mark.parametrize(("source", "dtype"), [(from_file, np.float64), (typed_in, np.float32)], ids=name_of)
def test_a_users_rule_is_treated_alike(source, dtype, tmp_path):
    (start,), steps = problem(dtype, shapes=[(257,)])
    hyper, decay, bound = {"lr": 0.05, "beta": 0.8, "eps": 1e-4}, 0.1, 0.9
    with source(tmp_path) as rule:
        plain, parallel = (fastopt.Optimizer(start.copy(), rule, parallel=way, **hyper) for way in (False, True))
        staged = fastopt.Optimizer(start.copy(), rule, weight_decay=decay, clip_value=bound, **hyper)
        mine = other = [start, np.zeros_like(start), np.zeros_like(start)]
        for t, (g,) in enumerate(steps, 1):
            for opt in (plain, parallel, staged):
                opt.step(g)
            clipped = np.clip(g, -bound, bound) + dtype(decay) * other[0]
            mine = python_step(rule, dtype, mine[0], g, mine[1:], t, hyper.values())
            other = python_step(rule, dtype, other[0], clipped, other[1:], t, hyper.values())
            assert bits(plain.params, *plain.state.values()) == bits(*mine)
            assert bits(parallel.params, *parallel.state.values()) == bits(*mine)
            assert bits(staged.params, *staged.state.values()) == bits(*other)
        with event.install_recorder("numba:compile") as recorder:
            fastopt.Optimizer(start.copy(), rule, **hyper).step(g)
        assert not recorder.buffer


TINY = """
import fastopt
def twice(x): return x + x
def coefficients(t, lr): return (lr,)
def update(p, g, lr): return (p - lr * twice(g),)
RULE = fastopt.Rule(name="tiny", update=update, coefficients=coefficients, hyper={"lr": 0.1})
"""
CACHED = """
import sys
import numpy as np
from fastopt.kernels import cpu
rule = __import__(sys.argv[1]).RULE
print(sum(cpu.kernel(rule, np.dtype(np.float64)).stats.cache_hits.values()))
"""


def test_a_rule_whose_file_is_renamed_is_cached_again(tmp_path):
    """The kernel cached for the old name cannot be loaded any more, and must not stand in the way for ever."""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    hits = []
    for name in ("before", "after", "after"):
        (tmp_path / "before.py").unlink(missing_ok=True)
        (tmp_path / f"{name}.py").write_text(TINY)
        command = [sys.executable, "-c", CACHED, name]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        hits.append(int(done.stdout))
    assert hits == [0, 0, 1]


def test_leaves_of_a_nest():
    a, b = np.ones(1), np.ones(2)
    assert [x is y for x, y in zip(leaves({"a": [a], "b": (b, a)}), [a, b, a])] == [True] * 3
