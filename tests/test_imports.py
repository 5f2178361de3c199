"""Who may import whom: rooms import downwards and in no circle, one module knows CUDA, and no extra is needed."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import with_package

import fastopt
from fastopt.cli import EXTRA

ROOT = Path(fastopt.__file__).parent
FLOORS = [  # the lowest first
    {"errors", "progress", "linking"},
    {"checks"},
    {"plateau"},
    {"schedules"},
    {"rules"},
    {"numbers"},
    {"arrays"},
    {"kernels"},
    {"targets", "jit", "derivatives"},
    {"distributed"},
    {"step"},
    {"solve", "train", "torch"},
    {"problems", "gradient_check"},
    {"fastopt"},  # the package itself
    {"cli"},
    {"__main__"},
]


def name_of(path):
    parts = ("fastopt", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(name):
    """All that a module imports, within its functions too: modules, and names in them."""
    package = name.split(".") if FILES[name].name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules_of(name):
    """The modules of fastopt that a module imports."""
    found = {full if full in FILES else full.rpartition(".")[0] for full in imported(name)}
    return found & FILES.keys() - {name}


def room(name):
    return [*name.split("."), "fastopt"][1]


def floor(name):
    (found,) = (height for height, rooms in enumerate(FLOORS) if room(name) in rooms)
    return found


def test_rooms_import_downwards():
    pairs = {(name, other) for name in FILES for other in modules_of(name) if room(name) != room(other)}
    assert {(name, other) for name, other in pairs if floor(other) >= floor(name)} == set()


def test_no_module_imports_itself_by_a_detour():
    reached = {name: modules_of(name) for name in FILES}
    for middle in FILES:  # Warshall's closure
        for found in reached.values():
            if middle in found:
                found |= reached[middle]
    assert {name for name, found in reached.items() if name in found} == set()


def test_one_module_imports_numbas_cuda():
    """As ``numba.cuda``, or as an attribute of what was imported as ``numba``."""
    assert {name for name in FILES if any(f"{full}.".startswith("numba.cuda.") for full in imported(name))} == {
        "fastopt.kernels.cuda.gpu"
    }
    texts = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
    assert not [
        name
        for name, tree in texts.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "numba.cuda"
    ]


# --- without extras --------------------------------------------------------------------------------------------------

TRIED = """
import importlib, json, sys
sys.modules.update(dict.fromkeys(sys.argv[1].split()))  # as if these packages were not installed
answers = {}
for name in sys.argv[2].split():
    try:
        importlib.import_module(name)
        answers[name] = None
    except ModuleNotFoundError as error:
        answers[name] = [error.name, str(error)]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers():
    """What each module says when it is imported where no extra is installed; None where it works."""
    optional = " ".join({*EXTRA, "numba_cuda", "cuda", "torch", "jax", "optax", "cupy"})
    command = [sys.executable, "-W", "error", "-c", TRIED, optional, " ".join(FILES)]
    env = with_package(NUMBA_ENABLE_CUDASIM=None)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_knows_gpus_says_what_is_missing(answers):
    says = [tuple(answer) for answer in answers.values() if answer and answer[0] == "numba_cuda"]
    assert set(says) == {("numba_cuda", 'the kernels on GPUs need the package numba-cuda: pip install "fastopt[cuda]"')}
    assert all(answer for name, answer in answers.items() if name.startswith("fastopt.kernels.cuda"))


def test_the_command_line_misses_packages_of_its_extra(answers):
    """``fastopt.cli`` then says how to install them."""
    assert answers["fastopt.cli"] is answers["fastopt.__main__"] is None
    absent = {answer[0].partition(".")[0] for name, answer in answers.items() if answer and room(name) == "cli"}
    assert absent <= EXTRA | {"numba_cuda"}


def test_nothing_else_needs_an_extra(answers):
    rest = {name: answer for name, answer in answers.items() if room(name) != "cli"}
    assert {answer[0] for answer in rest.values() if answer} == {"numba_cuda", "torch"}
    assert answers["fastopt"] is None


def test_the_room_of_pytorch_says_what_is_missing(answers):
    says = {name: answer for name, answer in answers.items() if answer and answer[0] == "torch"}
    assert set(says) == {name for name in FILES if room(name) == "torch"}
    (said,) = {text for _, text in says.values()}
    assert said == 'fastopt.torch needs the package torch: pip install "fastopt[torch]"'


def test_that_room_alone_imports_pytorch():
    """So that ``import fastopt`` does not."""
    packages = {name: {full.partition(".")[0] for full in imported(name)} for name in FILES}
    assert {room(name) for name in FILES if "torch" in packages[name]} == {"torch"}
    assert not {name for name in FILES if room(name) != "torch" and any(map(is_torchs, modules_of(name)))}


def is_torchs(name):
    return room(name) == "torch"


def test_tests_that_need_an_extra_say_so():
    """By the mark ``needs``, so that ci/test -m needs finds them; the extra ``cli`` belongs to ``test``."""
    files = sorted(path for path in Path(__file__).parent.rglob("test_*.py") if path != Path(__file__))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    assert not [
        path for path, text in texts.items() if re.search(r"importorskip\(.(torch|jax|optax|numba_cuda|cuda)", text)
    ]
    peers = [path for path, text in texts.items() if re.search(r"^ *import (torch|jax|optax)\b", text, re.MULTILINE)]
    assert not [path for path in peers if 'mark.needs("peers"' not in texts[path]]
