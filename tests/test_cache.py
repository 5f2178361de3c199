"""The disk cache, in fresh processes: nothing is compiled twice, no old code runs, no damage to it is an error."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fastopt

PACKAGE = Path(fastopt.__file__).parent
INSTALLED = {"PYTHONPATH": str(PACKAGE.parent), "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR")}

# Prints the answers of the code inside, and the names of the functions that Numba compiled.
CHILD = """
import json
import numpy as np
from numba.core import event

class Listener(event.Listener):
    names = []
    def on_start(self, event): self.names.append(event.data["dispatcher"].py_func.__qualname__)
    def on_end(self, event): pass

event.register("numba:compile", Listener())
import fastopt

def stepped(rule, dtype=np.float64, size=9, steps=3, **options):
    p = np.linspace(-1, 1, size).astype(dtype)
    opt = fastopt.Optimizer(p, rule, **options)
    for k in range(steps):
        opt.step(np.cos(np.arange(size) + k).astype(dtype))
    return p

RULES = {rule.name: rule for rule in fastopt.rules.ALL_RULES}
answers = {}
#code
answers = {name: np.asarray(a, float).ravel().tolist() for name, a in answers.items()}
print(json.dumps({"answers": answers, "compiled": Listener.names}))
"""


class Place:
    """A folder with a copy of the package, an empty kernel cache, and processes that use both."""

    def __init__(self, folder):
        self.folder, self.cache = folder, folder / "cache"
        shutil.copytree(PACKAGE, folder / "fastopt", ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, code, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "PYTHON", "XDG"))}
        mine = {
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",  # Python's own cache misses edits within a second
            "NUMBA_CACHE_DIR": str(self.cache),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", CHILD.replace("#code", code)],
            env={k: v for k, v in (clean | mine | env).items() if v is not None},
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return json.loads(done.stdout)

    def files(self):
        return sorted(str(f.relative_to(self.cache)) for f in self.cache.rglob("*") if f.is_file())

    def edit(self, file, old, new):
        text = (self.folder / file).read_text()
        assert text.count(old) == 1, old
        (self.folder / file).write_text(text.replace(old, new))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# --- the second process --------------------------------------------------------------------------------------------

MINE = """
import fastopt

def rule(name, update, coefficients=lambda t, lr: (lr,)):
    return fastopt.Rule(name=name, update=update, coefficients=coefficients, hyper={"lr": 0.1})

def made(k):
    return rule("made", lambda p, g, lr: (p - lr * k * g,))
"""
ALL_KINDS = f"""
import mine
answers["serial"] = stepped(RULES["rmsprop_centered"], np.float32)
answers["parallel"] = stepped(RULES["adam"], parallel=True)
answers["staged"] = stepped(RULES["gd"], maximize=True, clip_value=0.5, weight_decay=0.1)
answers["norm"] = stepped(RULES["gd"], size=300_000, clip_norm=1.0, parallel=False)[:9]
params = fastopt.pack([np.ones(3), np.ones((2, 2))])
fastopt.SGD(params).step([np.ones(3), np.full((2, 2), 2.0)])
answers["gather"] = params.buffers[0]
answers["in a file"] = stepped(mine.made(2.0))
{MINE}
answers["typed in"] = stepped(rule("typed", lambda p, g, lr: (p + lr * g,)))
answers["typed in, closure"] = stepped(made(3.0))
"""
TUPLE = f"""{MINE}
from numba import njit
pair = (njit(lambda x: x + x), njit(lambda x: x * 0.25))
answers["tuple"] = stepped(rule("tuple", lambda p, g, lr: (p - lr * pair[0](pair[1](g)),)))
"""


@pytest.mark.parametrize("code", [ALL_KINDS, TUPLE], ids=["all kinds of kernels", "tuple of jitted functions"])
def test_a_fresh_process_compiles_nothing_and_leaves_no_file(place, code):
    (place.folder / "mine.py").write_text(MINE)
    first = place.run(code)
    assert first["compiled"]
    files = place.files()
    assert files
    for _ in range(2):
        assert place.run(code) == {"answers": first["answers"], "compiled": []}
        assert place.files() == files


def test_every_rule_is_cached(place):
    code = "for name, rule in RULES.items(): answers[name] = stepped(rule)"
    first = place.run(code, **INSTALLED)
    assert place.run(code, **INSTALLED) == {"answers": first["answers"], "compiled": []}


# --- changed code --------------------------------------------------------------------------------------------------

USER = {
    "deep.py": "from numba import njit\n@njit\ndef deeper(x): return x + 0.125\n",
    "helpers.py": """
from numba import njit, vectorize
import deep
RATE, PAIR = 1.5, (1.0, 2.0)
@njit
def jitted(x): return x * 1.25
@njit(fastmath=True)
def is_nan(x): return x != x
@vectorize
def ufunc(x): return x * 1.375
def plain(x): return x * 4.0
def with_default(x, k=0.75): return x * k
def outer(x): return inner(x)
def inner(x): return x * 0.5
""",
    "user.py": """
import numpy as np
import helpers
from helpers import is_nan, outer, plain, ufunc, with_default
from mine import made, rule
SCALE, A, B = 3.0, 1.2, 34.5
TABLE = np.array([1.0, 7.0])

def in_cell():
    import helpers as inside
    return lambda p, g, lr: (p - lr * inside.jitted(g),)

rules = [
    rule("nothing", lambda p, g, lr: (p - lr * g,)),
    rule("update", lambda p, g, lr: (p - lr * g * 5.0,)),
    rule("coefficients", lambda p, g, lr: (p - lr * g,), lambda t, lr: (lr / t,)),
    rule("coefficients_default", lambda p, g, lr: (p - lr * g,), lambda t, lr, k=6.0: (lr * k,)),
    rule("constant", lambda p, g, lr: (p - lr * SCALE,)),
    rule("digits", lambda p, g, lr: (p - A * g - lr * B,)),
    rule("array", lambda p, g, lr: (p - lr * TABLE[1],)),
    made(0.5),
    rule("plain", lambda p, g, lr: (p - lr * plain(g),)),
    rule("helper_default", lambda p, g, lr: (p - lr * with_default(g),)),
    rule("inner", lambda p, g, lr: (p - lr * outer(g),)),
    rule("options", lambda p, g, nan: (p if is_nan(nan) else g,), lambda t, lr: (np.nan,)),
    rule("ufunc", lambda p, g, lr: (p - lr * ufunc(g),)),
    rule("module_function", lambda p, g, lr: (p - lr * helpers.jitted(g),)),
    rule("module_number", lambda p, g, lr: (p - lr * helpers.RATE,)),
    rule("module_tuple", lambda p, g, lr: (p - lr * helpers.PAIR[1],)),
    rule("module_in_module", lambda p, g, lr: (p - lr * helpers.deep.deeper(g),)),
    rule("module_in_cell", in_cell()),
]
""",
}
EDITS = {  # the rules above that an edit changes: file, text, what replaces it
    "update": ("user.py", "g * 5.0", "g * 5.5"),
    "coefficients": ("user.py", "lr / t", "lr + t"),
    "coefficients_default": ("user.py", "k=6.0", "k=6.5"),
    "constant": ("user.py", "SCALE, A, B = 3.0", "SCALE, A, B = 3.5"),
    "digits": ("user.py", "1.2, 34.5", "1.23, 4.5"),  # as text one after the other, the same
    "array": ("user.py", "7.0]", "8.0]"),
    "made": ("user.py", "made(0.5)", "made(0.25)"),
    "plain": ("helpers.py", "x * 4.0", "x * 4.5"),
    "helper_default": ("helpers.py", "k=0.75", "k=0.5"),
    "inner": ("helpers.py", "x * 0.5", "x * 0.625"),
    "options": ("helpers.py", "@njit(fastmath=True)", "@njit"),
    "ufunc": ("helpers.py", "x * 1.375", "x * 1.5"),
    "module_function module_in_cell": ("helpers.py", "x * 1.25", "x * 1.75"),
    "module_number": ("helpers.py", "RATE, PAIR = 1.5", "RATE, PAIR = 1.0"),
    "module_tuple": ("helpers.py", "(1.0, 2.0)", "(1.0, 3.0)"),
    "module_in_module": ("deep.py", "x + 0.125", "x - 0.125"),
}


def test_a_changed_rule_never_runs_old_code(place):
    for name, text in {**USER, "mine.py": MINE}.items():
        (place.folder / name).write_text(text)
    code = "import user\nfor rule in user.rules: answers[rule.name] = stepped(rule)"
    before = place.run(code)
    for edit in EDITS.values():
        place.edit(*edit)
    after = place.run(code)
    right = place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    stale = [name for name in right if not np.allclose(after["answers"][name], right[name], rtol=1e-12)]
    assert not stale
    assert {name for name in right if after["answers"][name] != before["answers"][name]} == set(" ".join(EDITS).split())
    assert not [name for name in after["compiled"] if name.startswith("nothing")]
    for file, old, new in EDITS.values():
        place.edit(file, new, old)
    assert place.run(code) == {"answers": before["answers"], "compiled": []}


ADAM = """answers["p"] = stepped(RULES["adam"])"""
TINY = """
opt = fastopt.Momentum(np.ones(3))
opt.step(np.full(3, 1e-310))
answers["p"] = opt.state["b"]
"""


@pytest.mark.parametrize(
    ("code", "file", "old", "new"),
    [
        (ADAM, "rules/moments.py", "rest1 * g", "rest1 * g * g"),
        (ADAM, "rules/moments.py", "beta > 0.0 else", "beta > 2.0 else"),
        (ADAM, "kernels/templates.py", "p[i] = new[0]", "p[i] = new[0] + p[i]"),
        (ADAM, "kernels/parts.py", "arrays[0][i] = values[0]", "arrays[0][i] = -values[0]"),
        (TINY, "kernels/parts.py", "FLUSH_BITS = 0x8040 if X86 else 1 << 24", "FLUSH_BITS = 0"),
    ],
    ids=["moments", "bias", "template", "overload", "flush"],
)
def test_a_changed_package_never_runs_old_code(place, code, file, old, new):
    before = place.run(code)
    place.edit(f"fastopt/{file}", old, new)
    after = place.run(code)
    assert not np.allclose(after["answers"]["p"], before["answers"]["p"], rtol=1e-3, atol=0)
    place.edit(f"fastopt/{file}", new, old)
    assert place.run(code) == {"answers": before["answers"], "compiled": []}


# --- a cache that cannot be used -----------------------------------------------------------------------------------

SMALL = """answers["p"] = stepped(RULES["gd"], clip_norm=1.0)"""


def test_no_folder_can_be_written(place):
    (place.folder / "fastopt/kernels/__pycache__").touch()  # a file in its place: permissions do not bind root
    nowhere = str(place.folder / "fastopt/kernels/__pycache__" / "cache")
    expected = place.run(SMALL)["answers"]
    for cache in (None, nowhere):
        done = place.run(SMALL, NUMBA_CACHE_DIR=cache, XDG_CACHE_HOME=nowhere, HOME=nowhere)
        assert done["answers"] == expected
        assert done["compiled"]


def test_a_read_only_package_is_cached_in_the_home(place):
    (place.folder / "fastopt/kernels/__pycache__").touch()
    home = {"NUMBA_CACHE_DIR": None, "HOME": str(place.folder / "home")}
    first = place.run(SMALL, **home)
    assert first["compiled"]
    assert place.run(SMALL, **home) == {"answers": first["answers"], "compiled": []}


def test_a_full_disk(place):
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    first = place.run(full + SMALL)
    assert place.run(SMALL)["answers"] == first["answers"]
    assert place.run(SMALL) == {"answers": first["answers"], "compiled": []}


DAMAGES = {
    "missing": None,
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "shorter": lambda data: data[:-1],
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
    "text": lambda data: b"<html>not found</html>\n",
}


def test_a_damaged_file_costs_one_compilation(place):
    names = [f"{kind}_{damage}" for kind in ("nbi", "nbc", "both") for damage in DAMAGES]
    code = MINE + f"for name in {names}: answers[name] = stepped(rule(name, lambda p, g, lr: (p - lr * g,)))"
    first = place.run(code)
    for name in names:
        kind, _, damage = name.partition("_")
        files = [f for f in place.cache.rglob(f"*.{name}_*") if kind in ("both", f.suffix[1:])]
        assert len(files) == (2 if kind == "both" else 1)
        for file in files:
            if DAMAGES[damage] is None:
                file.unlink()
            else:
                file.write_bytes(DAMAGES[damage](file.read_bytes()))
    damaged = place.run(code)
    assert damaged["answers"] == first["answers"]
    again = place.run(code)
    assert again["answers"] == first["answers"]
    assert not [name for name in names if any(f.startswith(name) for f in again["compiled"])], "still damaged"


def test_processes_that_start_at_once_on_an_empty_cache(place):
    code = """answers["p"] = stepped(RULES["adam"], np.float32, parallel=True)"""
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(lambda _: place.run(code), range(3))
    assert all(other["answers"] == first["answers"] for other in others)
    assert place.run(code) == {"answers": first["answers"], "compiled": []}
    assert not [file for file in place.files() if ".tmp" in file]


# --- Numba's modes -------------------------------------------------------------------------------------------------


def test_plain_python_takes_the_same_steps(place):
    code = """
for name, rule in RULES.items():
    answers[name] = stepped(rule)
    answers[name + ", parallel"] = stepped(rule, parallel=True, size=33)
    answers[name + ", staged"] = stepped(rule, clip_value=0.9, clip_norm=1.0, maximize=True, weight_decay=0.1)
"""
    compiled = place.run(code, **INSTALLED)["answers"]
    plain = place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    for name, a in compiled.items():
        np.testing.assert_allclose(plain[name], a, rtol=1e-12, atol=1e-15, err_msg=name)


def test_bounds_are_kept(place):
    code = """
import numba
try:
    numba.njit(lambda a: a[a.size])(np.ones(3))
except IndexError:
    pass
else:
    raise AssertionError("bounds are not checked")
for name in ("gd", "adagrad", "adam", "rmsprop_centered_momentum"):
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257):
        stepped(RULES[name], np.float32, size, parallel=False)
stepped(RULES["gd"], np.float32, 33, parallel=False, clip_norm=0.5)
params = fastopt.pack([np.ones(3), np.ones((2, 2))])
fastopt.SGD(params).step([np.ones(3), np.full((2, 2), 2.0)])
"""
    place.run(code, NUMBA_BOUNDSCHECK="1")
