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

# Prints what the code after it calls `answers`, as bytes, and the names of the functions that Numba compiled.
CHILD = """
import json, sys
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
    return [p, *opt.state.values()]

answers = []
{code}
print(json.dumps({{"answers": [np.ascontiguousarray(a, float).tolist() for a in answers], "compiled": Listener.names}}))
"""


class Place:
    """A folder with a copy of the package, an empty kernel cache, and processes that use both."""

    def __init__(self, folder):
        self.folder, self.cache = folder, folder / "cache"
        shutil.copytree(PACKAGE, folder / "fastopt", ignore=shutil.ignore_patterns("__pycache__"))

    def write(self, **files):
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)

    def start(self, code, **env):
        # Python's own cache could hide an edit within the same second
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "PYTHON", "XDG"))}
        mine = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(self.cache)}
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", CHILD.format(code=code)],
            env={k: v for k, v in (clean | mine | env).items() if v is not None},
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=300,
        )

    def run(self, code, **env):
        done = self.start(code, **env)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return json.loads(done.stdout)

    def files(self):
        return sorted(str(f.relative_to(self.cache)) for f in self.cache.rglob("*") if f.is_file())


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


RULE = """
def coefficients(t, lr):
    return lr, 0.5

def update(p, g, m, lr, half):
    m = half * m + g
    return p - lr * m, m

rule = fastopt.Rule(name="mine", update=update, coefficients=coefficients, state=("m",), hyper={"lr": 0.1})
"""
KERNELS = {
    "every rule": "answers += [a for rule in fastopt.rules.ALL_RULES for a in stepped(rule, np.float32)]",
    "parallel": "answers += stepped(fastopt.rules.ALL_RULES[7], parallel=True)",
    "staged": "answers += stepped(fastopt.rules.ALL_RULES[0], maximize=True, clip_value=0.5, weight_decay=0.1)",
    "norm": "answers += stepped(fastopt.rules.ALL_RULES[0], clip_norm=1.0, size=300_000, parallel=False)",
    "gather": "params = fastopt.pack([np.ones(3), np.ones((2, 2))])\n"
    "fastopt.SGD(params).step([np.ones(3), np.full((2, 2), 2.0)])\nanswers += list(params)",
    "rule in a file": "import mine\nanswers += stepped(mine.rule)",
    "rule typed in": RULE + "answers += stepped(rule)",
    "rule in a closure": "def make(k, f):\n"
    "    return fastopt.Rule(name='made', update=lambda p, g, lr: (p - lr * k * f(g),),"
    " coefficients=lambda t, lr: (lr,), hyper={'lr': 0.1})\n"
    "answers += stepped(make(2.0, lambda g: 3.0 * g))",
    "rule over jitted functions": "from numba import njit\n"
    "twice, half = njit(lambda x: x + x), njit(lambda x: x / 2.0)\npair = (twice, half)\n"
    "answers += stepped(fastopt.Rule(name='pair', update=lambda p, g, lr: (p - lr * pair[0](pair[1](g)),),"
    " coefficients=lambda t, lr: (lr,), hyper={'lr': 0.1}))",
}


@pytest.mark.parametrize("code", KERNELS.values(), ids=KERNELS)
def test_a_fresh_process_compiles_nothing_and_leaves_no_file(place, code):
    place.write(mine="import fastopt" + RULE)
    first = place.run(code)
    assert first["compiled"]
    files = place.files()
    assert files
    for _ in range(2):
        again = place.run(code)
        assert again == {"answers": first["answers"], "compiled": []}
        assert place.files() == files


# --- changed code --------------------------------------------------------------------------------------------------

SOURCES = {
    "helpers": """
from numba import njit
import deep
RATE, TABLE = 1.5, (1.0, 2.0)
@njit
def attribute(x): return x * 1.25
@njit(fastmath=True)
def is_nan(x): return x != x
def plain(x, k=0.75): return x * k + inner(x)
def inner(x): return x * 0.5
""",
    "deep": "from numba import njit\n@njit\ndef deeper(x): return x + 0.125\n",
    "user": """
import fastopt, helpers
from helpers import is_nan, plain
SCALE, A, B = 3.0, 1.2, 34.5
NAN = float("nan")

def coefficients(t, lr, boost=2.0):
    return lr * boost, NAN

def make(k):
    def update(p, g, m, lr, nan):
        m = k * m + SCALE * g
        m = m + A * p + B + plain(p) + helpers.attribute(p) + helpers.RATE * helpers.TABLE[1] + helpers.deep.deeper(g)
        return p - lr * m, (p if is_nan(nan) else m)
    return update

rule = fastopt.Rule(name="user", update=make(0.5), coefficients=coefficients, state=("m",), hyper={"lr": 0.1})
""",
}
USER, ADAM = "import user\nanswers += stepped(user.rule)", "answers += stepped(fastopt.rules.ALL_RULES[7])"
TINY = "p = np.ones(3)\nopt = fastopt.Momentum(p)\nopt.step(np.full(3, 1e-310))\nanswers += [opt.state['b']]"
EDITS = {  # what is edited: (what runs, the file, the text, what replaces it)
    "update": (USER, "user", "k * m + SCALE", "k * m - SCALE"),
    "coefficients": (USER, "user", "lr * boost,", "lr + boost,"),
    "a default of coefficients": (USER, "user", "boost=2.0", "boost=2.5"),
    "constant": (USER, "user", "SCALE, A, B = 3.0", "SCALE, A, B = 4.0"),
    "digits from one constant to the next": (USER, "user", "1.2, 34.5", "1.23, 4.5"),
    "closure cell": (USER, "user", "make(0.5)", "make(0.25)"),
    "helper": (USER, "helpers", "x * k +", "x / k +"),
    "default of a helper": (USER, "helpers", "k=0.75", "k=0.5"),
    "helper of a helper": (USER, "helpers", "x * 0.5", "x * 0.625"),
    "options of a jitted helper": (USER, "helpers", "@njit(fastmath=True)", "@njit"),
    "helper as attribute of a module": (USER, "helpers", "x * 1.25", "x * 1.75"),
    "number as attribute of a module": (USER, "helpers", "RATE, TABLE = 1.5", "RATE, TABLE = 1.0"),
    "tuple as attribute of a module": (USER, "helpers", "(1.0, 2.0)", "(1.0, 3.0)"),
    "helper in a module of a module": (USER, "deep", "x + 0.125", "x - 0.125"),
    "moments": (ADAM, "fastopt/rules/moments", "rest1 * g", "rest1 * g * g"),
    "bias": (ADAM, "fastopt/rules/moments", "beta > 0.0 else", "beta > 2.0 else"),
    "template": (ADAM, "fastopt/kernels/templates", "p[i] = new[0]", "p[i] = new[0] + p[i]"),
    "part of templates": (ADAM, "fastopt/kernels/parts", "arrays[0][i] = values[0]", "arrays[0][i] = -values[0]"),
    "flush": (TINY, "fastopt/kernels/parts", "FLUSH_BITS = 0x8040", "FLUSH_BITS = 0x0000"),
}


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """A place whose cache is warm for all that EDITS runs, and the answers, compiled and in plain Python."""
    place = Place(tmp_path_factory.mktemp("edited"))
    place.write(**SOURCES)
    return place, {code: place.run(code)["answers"] for code in (USER, ADAM, TINY)}


@pytest.mark.parametrize(("code", "file", "old", "new"), EDITS.values(), ids=EDITS)
def test_changed_code_never_runs_old_kernels(edited, code, file, old, new):
    place, before = edited
    source = place.folder / f"{file}.py"
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))
    try:
        after = place.run(code)
        plain = place.run(code, NUMBA_DISABLE_JIT="1")["answers"]
    finally:
        source.write_text(text)
    assert after["answers"] != before[code], "the old code ran"
    if not file.endswith("parts") and "fastmath" not in old:
        np.testing.assert_allclose(after["answers"], plain, rtol=1e-12)
    assert place.run(code) == {"answers": before[code], "compiled": []}


# --- a cache that cannot be used -----------------------------------------------------------------------------------

SMALL = "answers += stepped(fastopt.rules.ALL_RULES[0], clip_norm=1.0)"


def test_no_folder_that_can_be_written(place):
    (place.folder / "file").touch()
    (place.folder / "fastopt/kernels/__pycache__").touch()  # a file, as permissions do not bind everyone
    nowhere = str(place.folder / "file" / "cache")
    expected = place.run(SMALL)["answers"]
    for cache in (None, nowhere):
        done = place.run(SMALL, NUMBA_CACHE_DIR=cache, XDG_CACHE_HOME=nowhere, HOME=nowhere)
        assert done["answers"] == expected
        assert done["compiled"]


def test_read_only_package_is_cached_in_the_home(place):
    (place.folder / "fastopt/kernels/__pycache__").touch()
    home = {"NUMBA_CACHE_DIR": None, "HOME": str(place.folder / "home")}
    first = place.run(SMALL, **home)
    assert first["compiled"]
    assert place.run(SMALL, **home) == {"answers": first["answers"], "compiled": []}


def test_full_disk(place):
    expected = place.run(SMALL)["answers"]
    shutil.rmtree(place.cache)
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    assert place.run(full + SMALL)["answers"] == expected
    assert place.run(SMALL)["answers"] == expected
    assert place.run(SMALL)["compiled"] == []


DAMAGE = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "last byte missing": lambda data: data[:-1],
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
    "text": lambda data: b"<html>not found</html>\n",
}


@pytest.mark.parametrize("kinds", ["*.nbi", "*.nbc", "*.nb[ic]"])
def test_damaged_files_cost_one_compilation(place, kinds):
    expected = place.run(SMALL)["answers"]
    files = [f for f in place.cache.rglob(kinds)]
    assert files
    forever = []
    for name, damage in DAMAGE.items():
        for file in files:
            file.write_bytes(damage(file.read_bytes()))
        damaged = place.run(SMALL)
        assert damaged["answers"] == expected
        assert damaged["compiled"]
        if place.run(SMALL) != {"answers": expected, "compiled": []}:
            forever.append(name)
    assert not forever, "damaged files stay, and cost a compilation in every process"


def test_processes_that_start_at_once_on_an_empty_cache(place):
    code = "answers += stepped(fastopt.rules.ALL_RULES[7], np.float32, parallel=True)"
    with ThreadPoolExecutor(3) as pool:
        first, *others = [run.result() for run in [pool.submit(place.run, code) for _ in range(3)]]
    assert all(other["answers"] == first["answers"] for other in others)
    assert place.run(code) == {"answers": first["answers"], "compiled": []}
    assert not [file for file in place.files() if ".tmp" in file]


# --- Numba's modes -------------------------------------------------------------------------------------------------


def test_plain_python_gives_the_same_steps(place):
    code = (
        "for rule in fastopt.rules.ALL_RULES:\n"
        "    answers += stepped(rule) + stepped(rule, parallel=True, size=33)\n"
        "    answers += stepped(rule, clip_value=0.9, clip_norm=1.0, maximize=True, weight_decay=0.1)\n"
        + KERNELS["gather"]
    )
    scope = {}
    exec(CHILD.split("import fastopt\n")[1].format(code=code).rpartition("print")[0], {"np": np, "fastopt": fastopt}, scope)


def test_bounds_are_kept(place):
    code = (
        "import numba\n"
        "try:\n    numba.njit(lambda a: a[a.size])(np.ones(3))\n"
        "except IndexError:\n    pass\n"
        "else:\n    raise AssertionError('bounds are not checked')\n"
        "names = ('gd', 'adagrad', 'adam', 'amsgrad')\n"
        "for rule in (rule for rule in fastopt.rules.ALL_RULES if rule.name in names):\n"
        "    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257):\n"
        "        stepped(rule, np.float32, size, parallel=False)\n"
        "        stepped(rule, np.float32, size, clip_norm=0.5, parallel=False)\n" + KERNELS["gather"]
    )
    place.run(code, NUMBA_BOUNDSCHECK="1")
