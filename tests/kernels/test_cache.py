"""The disk cache, in fresh processes: nothing is compiled twice, no old code runs, no damage to it is an error."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import edits
import numpy as np
import pytest
from processes import INSTALLED, Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


LOOPS = """
from numba import njit

@njit(cache=True)
def square(x, grad):
    grad[:] = 2.0 * x
    return (x * x).sum()

@njit(cache=True)
def loss(p, g, X, y):
    total = 0.0
    for i in range(len(y)):
        r = X[i, 0] * p.w[0] + X[i, 1] * p.w[1] + p.b[0] - y[i]
        g.w[0] += r * X[i, 0]
        g.w[1] += r * X[i, 1]
        g.b[0] += r
        total += r * r / 2
    return total
"""


# --- the second process --------------------------------------------------------------------------------------------


def test_a_fresh_process_compiles_nothing_and_leaves_no_file(place):
    code = f"""
import mine
answers["serial"] = stepped(RULES["rmsprop_centered"], np.float32)
answers["parallel"] = stepped(RULES["adam"], parallel=True)
answers["staged"] = stepped(RULES["gd"], maximize=True, clip_value=0.5, weight_decay=0.1)
answers["norm"] = stepped(RULES["gd"], size=300_000, clip_norm=1.0, parallel=False)[:9]
params = fastopt.pack([np.ones(3), np.ones((2, 2))])
fastopt.SGD(params).step([np.ones(3), np.full((2, 2), 2.0)])
answers["gather"] = params.buffers[0]
answers["in a file"] = stepped(mine.made(2.0))
{place.rules}
answers["typed in"] = stepped(rule("typed", lambda p, g, lr: (p + lr * g,)))
answers["typed in, closure"] = stepped(made(3.0))
"""
    first, files = place.run(code), place.files()
    assert first["compiled"]
    assert place.run(code) == {"answers": first["answers"], "compiled": []}
    assert place.files() == files


def test_compiled_loops_compile_nothing_in_a_second_process(place):
    place.write({"user.py": LOOPS})
    code = """
from user import loss, square
solve = dict(jac="inplace", method="sgd")
for inline in (False, True):
    answers[f"inline={inline}"] = fastopt.minimize(square, np.ones(2), **solve, options=dict(inline=inline, lr=0.5)).x
answers["many"] = fastopt.minimize_many(square, np.ones((2, 2)), **solve, options=dict(lr=0.5)).x
X = np.arange(40.0).reshape(20, 2) / 40
p = {"w": np.zeros(2), "b": np.zeros(1)}
opt = fastopt.Adam(p, lr=0.1, clip_norm=1.0)
hist = fastopt.fit(loss, opt, (X, X[:, 0]), batch_size=6, epochs=3, validation=(X, X[:, 1]), reduction="mean")
answers |= {**p, "loss": hist.loss, "validation": hist.validation}
"""
    first, files = place.run(code), place.files()
    assert {"square", "loss"} <= set(first["compiled"])
    again = place.run(code)
    assert (again["answers"], again["compiled"], place.files()) == (first["answers"], [], files)


def test_a_tuple_of_functions_leaves_no_file_in_every_process(place):
    code = f"""{place.rules}
import warnings
from numba import njit
warnings.filterwarnings("ignore", message="First-class function")  # says Numba
pair = (njit(lambda x: x + x), njit(lambda x: x * 0.25))
answers["tuple"] = stepped(rule("tuple", lambda p, g, lr: (p - lr * pair[0](pair[1](g)),)))
"""
    first, files = place.run(code), place.files()
    assert place.run(code)["answers"] == first["answers"]
    assert place.files() == files


# --- changed code --------------------------------------------------------------------------------------------------

DEEP = "from numba import njit\n@njit\ndef deeper(x): return x + 0.125\n"
HELPERS = """
from numba import njit, vectorize
import deep
RATE, PAIR = 1.5, (1.0, 2.0)
@njit
def jitted(x): return x * 1.25
@njit(fastmath=True)
def loose(x): return (x + 1e20) - 1e20
@vectorize
def ufunc(x): return x * 1.375
@njit
def doubled(x): return x + x
def plain(x): return x * 4.0
def with_default(x, k=0.75): return x * k
def outer(x): return inner(x)
def inner(x): return x * 0.5
"""
USER = """
import numpy as np
import helpers
from helpers import loose, outer, plain, ufunc, with_default
from mine import made, rule
SCALE, A, B = 3.0, 1.2, 34.5
UNUSED = 1
TABLE = np.array([1.0, 7.0])

def in_cell(inside):
    return rule("module_in_cell", lambda p, g, lr: (p - lr * inside.jitted(g),))

rules = [
    made(0.5),
    in_cell(helpers),
    rule("coefficients", lambda p, g, lr: (p - lr * g,), lambda t, lr: (lr / t,)),
    rule("coefficients_default", lambda p, g, lr: (p - lr * g,), lambda t, lr, k=6.0: (lr * k,)),
"""
EDITS = [  # the rule it changes, the expression that is its update, file, text, what replaces it
    ("made", None, "user.py", "made(0.5)", "made(0.25)"),
    ("module_in_cell", None, "helpers.py", "x * 1.25", "x * 1.75"),
    ("coefficients", None, "user.py", "lr / t", "lr + t"),
    ("coefficients_default", None, "user.py", "k=6.0", "k=6.5"),
    ("nothing", "g", "user.py", "UNUSED = 1", "UNUSED = 2"),
    ("update", "g * 5.0", "user.py", "g * 5.0", "g * 5.5"),
    ("constant", "SCALE", "user.py", "SCALE, A, B = 3.0", "SCALE, A, B = 3.5"),
    ("digits", "A * g - B", "user.py", "1.2, 34.5", "1.23, 4.5"),  # one after the other, the same text
    ("array", "TABLE[1]", "user.py", "7.0]", "8.0]"),
    ("plain", "plain(g)", "helpers.py", "x * 4.0", "x * 4.5"),
    ("default", "with_default(g)", "helpers.py", "k=0.75", "k=0.5"),
    ("inner", "outer(g)", "helpers.py", "x * 0.5", "x * 0.625"),
    ("options", "loose(g)", "helpers.py", "@njit(fastmath=True)", "@njit(fastmath=False)"),
    ("ufunc", "ufunc(g)", "helpers.py", "x * 1.375", "x * 1.5"),
    ("module_function", "helpers.doubled(g)", "helpers.py", "x + x", "x + x + x"),
    ("module_number", "helpers.RATE", "helpers.py", "RATE, PAIR = 1.5", "RATE, PAIR = 1.0"),
    ("module_tuple", "helpers.PAIR[1]", "helpers.py", "(1.0, 2.0)", "(1.0, 3.0)"),
    ("module_in_module", "helpers.deep.deeper(g)", "deep.py", "x + 0.125", "x - 0.125"),
]


def test_a_changed_rule_never_runs_old_code(place):
    rules = [f'    rule("{name}", lambda p, g, lr: (p - lr * ({x}),)),\n' for name, x, *_ in EDITS if x]
    place.write({"deep.py": DEEP, "helpers.py": HELPERS, "user.py": USER + "".join(rules) + "]\n"})
    code = "import user\nfor rule in user.rules: answers[rule.name] = stepped(rule)"
    before = place.run(code)
    for _, _, file, old, new in EDITS:
        place.edit(file, old, new)
    after = place.run(code)
    right = place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    assert [name for name in right if not np.allclose(after["answers"][name], right[name], rtol=1e-12)] == []
    assert [name for name in right if after["answers"][name] == before["answers"][name]] == ["nothing"]
    assert not [name for name in after["compiled"] if name.startswith("nothing")]
    for _, _, file, old, new in EDITS:
        place.edit(file, new, old)
    assert (again := place.run(code))["answers"] == before["answers"]
    assert not [name for name in again["compiled"] if "_float64_" in name]


SUMS = """
import fastopt

def coefficients(t, lr): return (lr,)
def size(x): return x * x
def squares(p, g, a, b, c, d, lr, weight): return size(g) * weight
def scale(x): return 2.0 / (1.0 + x)
def combine(c, sums, kept): return (scale(sums[0]),), (kept[0] + 1.0,)
def update(p, g, a, b, c, d, lr, ratio): return p - lr * (ratio * g + d), b, c, d, a + g

def ruled(name, across):
    return fastopt.Rule(
        name=name, update=update, coefficients=coefficients, state=("a", "b", "c", "d"), hyper={"lr": 0.1},
        reduces={"squares": squares}, combine=combine, keeps=("weight",), across=across,
    )

each, together = ruled("each", False), ruled("together", True)
"""
USER_OF_SUMS = """
from numba import njit
from fastopt import jit
from sums import each

step = jit.step(each)

@njit(cache=True)
def square(x, grad):
    grad[:] = 2.0 * x
    return (x * x).sum()

@njit(cache=True)
def run(x, g, a, b, c, d, kept):
    for t in range(1, 4):
        step(x, g, a, b, c, d, kept, t, 0.1)

@njit(cache=True)
def loss(p, g, X):
    for i in range(X.size):
        g += p * X[i]
    return 1.0
"""


def test_rules_with_sums_in_a_second_process_and_after_an_edit(place):
    """Of ``combine`` and of a function in ``reduces``, both by a helper of theirs."""
    place.write({"sums.py": SUMS, "user.py": USER_OF_SUMS})
    code = """
import warnings
from numba import config
from sums import each, together
from user import loss, run, square
warnings.simplefilter("ignore", RuntimeWarning)
how = dict(jac="inplace", options=dict(maxiter=4, gtol=0.0))
y, g = np.ones(3), np.ones(3)
opt = fastopt.Optimizer(y, each)
for _ in range(3):
    opt.step(g)
answers["jit"] = y
if not config.DISABLE_JIT:  # which fastopt.jit cannot do without
    x = np.ones(3)
    run(x, g, *np.zeros((4, 3)), np.zeros(1))
    answers["jit"] = x
for name, rule in (("each", each), ("together", together)):
    answers[f"step {name}"] = stepped(rule)
    answers[f"minimize {name}"] = fastopt.minimize(square, np.ones(2), method=rule, **how).x
    answers[f"many {name}"] = fastopt.minimize_many(square, np.ones((2, 2)), method=rule, **how).x
    p = np.ones(2)
    fastopt.fit(loss, fastopt.Optimizer(p, rule), (np.ones(4),), batch_size=2, epochs=2)
    answers[f"fit {name}"] = p
"""
    first = place.run(code)
    assert place.run(code) == {"answers": first["answers"], "compiled": []}
    place.edit("sums.py", "return x * x\n", "return x * x * x\n")
    place.edit("sums.py", "return 2.0 /", "return 3.0 /")
    after, right = place.run(code)["answers"], place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    for name, numbers in right.items():
        np.testing.assert_allclose(after[name], numbers, rtol=1e-12, err_msg=name)
        assert np.abs(np.subtract(numbers, first["answers"][name])).max() > 1e-3, name


def run_edits(place):
    """What the functions of helpers/edits.py give when called and in kernels, and the names of those compiled anew."""
    done = place.run(edits.CODE)
    called, kernels = (
        {e.name: done["answers"][f"{way} {e.name}"] for e in edits.EDITS} for way in ("called", "kernel")
    )
    return called, kernels, {e.name for e in edits.EDITS if any(f"kernel_{e.name}_" in c for c in done["compiled"])}


@pytest.mark.early
def test_no_edit_of_what_numba_compiles_leaves_old_code(place):
    place.write({f"user_{edit.name}.py": edit.module() for edit in edits.EDITS})
    place.write({"edits.py": Path(edits.__file__).read_text()})
    old, kernels, _ = run_edits(place)
    assert kernels == old
    assert run_edits(place) == (old, old, {edit.name for edit in edits.EDITS if not edit.kept})
    now, hidden = old, {edit.name for edit in edits.EDITS if not edit.kept}
    for wide in (False, True):  # a wide edit last: after it no mistake of the others would be seen
        edited = [edit for edit in edits.EDITS if edit.wide == wide]
        for edit in edited:
            place.edit(f"user_{edit.name}.py", edit.old, edit.new)
        before, (now, kernels, compiled) = now, run_edits(place)
        assert [edit.name for edit in edited if now[edit.name] == before[edit.name]] == [], "nothing was edited"
        assert [edit.name for edit in edits.EDITS if kernels[edit.name] != now[edit.name]] == []
        names = {edit.name for edit in edited} | hidden
        assert names <= compiled if wide else names == compiled


def test_a_changed_package_never_runs_old_code(place):
    code = """
p = np.ones(3)
opt = fastopt.Adam(p, lr=0.5)
opt.step(np.array([1.0, 2.0, 1e-310]))
answers.update(p=p, m=opt.state["m"])
"""
    edits = [
        ("rules/moments.py", "beta > 0.0 else", "beta > 2.0 else"),
        ("kernels/loops/step.py", "p[i] = new[0]", "p[i] = new[0] + p[i]"),
        ("kernels/subnormals.py", "FLUSH_BITS = 0x8040 if X86 else 1 << 24", "FLUSH_BITS = 0"),
    ]
    before = place.run(code)
    answers = [before["answers"]]
    files = {file: place.folder / "fastopt" / file for file, *_ in edits}
    times = {file: os.stat(path).st_mtime_ns for file, path in files.items()}
    for file, old, new in edits:  # on top of each other
        place.edit(f"fastopt/{file}", old, new)
        answers.append(place.run(code)["answers"])
    assert abs(answers[1]["p"][0] - answers[0]["p"][0]) > 0.1
    assert abs(answers[2]["p"][0] - answers[1]["p"][0]) > 0.1
    assert answers[2]["m"][2] == 0.0 < answers[3]["m"][2]
    for file, old, new in edits:
        place.edit(f"fastopt/{file}", new, old)
        os.utime(files[file], ns=(times[file], times[file]))  # Numba 0.63 looks at the time, later releases at the text
    assert place.run(code) == {"answers": before["answers"], "compiled": []}


# --- a cache that cannot be used -----------------------------------------------------------------------------------

SMALL = """answers["p"] = stepped(RULES["gd"], steps=1, lr=0.5)"""
SMALL_ANSWERS = {"p": (np.linspace(-1, 1, 9) - 0.5 * np.cos(np.arange(9))).tolist()}


def test_no_folder_can_be_written(place):
    (place.folder / "fastopt/kernels/__pycache__").touch()  # a file in its place: permissions do not bind root
    nowhere = str(place.folder / "fastopt/kernels/__pycache__" / "cache")
    done = place.run(SMALL, NUMBA_CACHE_DIR=nowhere, XDG_CACHE_HOME=nowhere, HOME=nowhere)
    assert done["answers"] == SMALL_ANSWERS
    assert done["compiled"]


def test_a_read_only_package_is_cached_in_the_home(place):
    (place.folder / "fastopt/kernels/__pycache__").touch()
    home = {"NUMBA_CACHE_DIR": None, "HOME": str(place.folder / "home")}
    assert place.run(SMALL, **home)["compiled"]
    assert place.run(SMALL, **home) == {"answers": SMALL_ANSWERS, "compiled": []}


def test_a_full_disk(place):
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    assert place.run(full + SMALL)["answers"] == SMALL_ANSWERS
    assert not [file for file in place.files() if ".fastopt" in file]
    assert place.run(SMALL)["answers"] == SMALL_ANSWERS
    assert place.run(SMALL) == {"answers": SMALL_ANSWERS, "compiled": []}


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


DAMAGES = {
    "missing": None,
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "shorter": lambda data: data[:-1],
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
    **{f"bit{i}": lambda data, i=i: flipped(data, i * len(data) // 8) for i in (0, 3, 7)},
}


def test_a_damaged_file_costs_one_compilation(place):
    names = [*DAMAGES, "swapped0", "swapped1"]
    code = f"import mine\nfor n in {names}: answers[n] = stepped(mine.rule(n, lambda p, g, lr: (p - lr * g,)))"
    code = code.replace("lr * g", "lr * g * (2.0 if n == 'swapped0' else 1.0)")
    first = place.run(code)
    paths = [one for name in names for one in place.cache.rglob(f"*.{name}_*.fastopt")]
    assert len(paths) == len(names)
    *files, last, other = [(path, path.read_bytes()) for path in paths]
    for (path, data), damage in zip(files, DAMAGES.values(), strict=True):
        path.unlink()
        if damage:
            path.write_bytes(damage(data))
    last[0].write_bytes(other[1])
    other[0].write_bytes(last[1])
    again = place.run(code)
    assert again["answers"] == first["answers"]
    assert {name for name in names if any(f.startswith(f"{name}_") for f in again["compiled"])} == set(names)
    assert place.run(code) == {"answers": first["answers"], "compiled": []}, "damaged for good"


def test_processes_that_start_at_once_on_an_empty_cache(place):
    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(lambda _: place.run(SMALL), range(2)):
            assert done["answers"] == SMALL_ANSWERS
    assert place.run(SMALL) == {"answers": SMALL_ANSWERS, "compiled": []}
    assert all(file.endswith(".fastopt") for file in place.files()), "something half written is left"


def test_a_folder_stays_within_its_limit(place):
    code = f"{place.rules}\nfor k in KS: answers[str(k)] = stepped(made(float(k)))"
    place.edit("fastopt/kernels/kept.py", "LIMIT = 256 * 2**20", "LIMIT = 100_000")
    assert place.run(code.replace("KS", "(1, 2, 3)"))["compiled"]
    assert place.run(code.replace("KS", "(3,)"))["compiled"] == []  # used last
    place.run(code.replace("KS", "(1, 4)"))
    sizes = [(place.cache / file).stat().st_size for file in place.files() if "loops" in file]
    assert 50_000 < sum(sizes) <= 100_000
    assert place.run(code.replace("KS", "(4,)"))["compiled"] == []


# --- Numba's modes -------------------------------------------------------------------------------------------------


def test_every_rule_is_cached_and_plain_python_takes_the_same_steps(place):
    code = """
options = dict(clip_value=0.9, clip_norm=1.0, maximize=True, weight_decay=0.1, check_finite=True)
for name, rule in RULES.items():
    if "_decoupled" not in name or name == "radam_decoupled":
        answers[name] = stepped(rule)
answers["parallel"] = stepped(RULES["adam"], parallel=True, size=33)
answers["staged"] = stepped(RULES["adam"], **options)
answers["staged, parallel"] = stepped(RULES["nadam"], parallel=True, **options)
"""
    compiled = place.run(code, **INSTALLED)["answers"]
    assert place.run(code, **INSTALLED) == {"answers": compiled, "compiled": []}
    plain = place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    assert plain.keys() == compiled.keys()
    for name, a in compiled.items():
        np.testing.assert_allclose(plain[name], a, rtol=1e-12, atol=1e-15, err_msg=name)


def test_bounds_are_kept(place):
    code = """
from numba import config
assert config.BOUNDSCHECK
for name in ("gd", "adagrad", "adam", "rmsprop_centered_momentum"):
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257):
        stepped(RULES[name], np.float32, size, parallel=False)
        stepped(RULES["gd"], np.float32, size, parallel=False, clip_norm=0.5)
params = fastopt.pack([np.ones(3), np.ones((2, 2))])
fastopt.SGD(params).step([np.ones(3), np.full((2, 2), 2.0)])
"""
    place.run(code, NUMBA_BOUNDSCHECK="1")


CALLEES = """
import warnings
from numba import njit
warnings.simplefilter("ignore")

@njit
def fun(x, c):
    if c > 1.0:  # on one lane, whose callees have names of their own
        return -c
    return ((x - c) ** 2).sum()

for d in (#sizes):
    X0 = np.full((2, d), 3.0)
    res = fastopt.minimize_many(fun, X0, (np.zeros(2),), (), "adam", options={"maxiter": 5})
    answers[f"{d}"] = np.stack([res.fun, res.status])
"""


def test_callees_of_one_name_are_told_apart(place):
    """Two processes leave code whose callees have the same name and number; a third has both."""
    alone = {size: place.run(CALLEES.replace("#sizes", f"{size},"))["answers"][size] for size in ("1", "2")}
    both = place.run(CALLEES.replace("#sizes", "1, 2"))["answers"]
    assert both == alone
    assert both["1"] != both["2"]
