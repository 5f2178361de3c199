"""What tests in fresh processes share."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fastopt

PACKAGE = Path(fastopt.__file__).parent


HELPERS = Path(__file__).parent


def before(*folders):
    """PYTHONPATH with these folders before what is there."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


def with_package(**env):
    """The environment of a process that imports this very package and these helpers; None takes a variable away."""
    merged = os.environ | {"PYTHONPATH": before(PACKAGE.parent, HELPERS)} | env
    return {name: value for name, value in merged.items() if value is not None}


# The package and the cache that the tests themselves use
INSTALLED = {
    "PYTHONPATH": before(PACKAGE.parent),
    "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR"),
    "PYTHONDONTWRITEBYTECODE": None,
}

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


# Rules of a user's, in a file that the processes can import, or typed in
MINE = """
import fastopt

def rule(name, update, coefficients=lambda t, lr: (lr,)):
    return fastopt.Rule(name=name, update=update, coefficients=coefficients, hyper={"lr": 0.1})

def made(k):
    return rule("made", lambda p, g, lr: (p - lr * k * g,))
"""


class Place:
    """A folder with a copy of the package, an empty kernel cache, and processes that use both."""

    rules = MINE

    def __init__(self, folder):
        self.folder, self.cache = folder, folder / "cache"
        shutil.copytree(PACKAGE, folder / "fastopt", ignore=shutil.ignore_patterns("__pycache__"))
        self.write({"mine.py": self.rules})

    def write(self, files):
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def run(self, code, **env):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "PYTHON", "XDG"))}
        mine = {"PYTHONPATH": before(self.folder), "NUMBA_CACHE_DIR": str(self.cache)}
        mine["PYTHONDONTWRITEBYTECODE"] = "1"  # Python's own cache misses edits within a second
        done = subprocess.run(
            [sys.executable, "-P", "-W", "error", "-c", CHILD.replace("#code", code)],
            env={k: v for k, v in (inherited | mine | env).items() if v is not None},
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
