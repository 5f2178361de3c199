"""The disk cache of CUDA kernels, in fresh processes; a stand-in for the card, so that it needs no GPU."""

import re

import pytest
from extras import why_not
from numba import config
from processes import Place

if config.ENABLE_CUDASIM:
    pytest.skip("the simulator compiles nothing", allow_module_level=True)
if why_not("cuda"):
    pytest.skip(why_not("cuda"), allow_module_level=True)

pytestmark = pytest.mark.needs("cuda")

# Kernels are compiled and assembled as for a card, then not loaded.
CARD = """
import hashlib
import numpy as np
from numba import cuda
from numba.cuda import codegen, dispatcher
from numba.cuda.cudadrv import devices

class Card:
    id, compute_capability = 0, (9, 0)
    device = module = None
    initialized = True

Card.device = Card.module = Card

def loaded(library):
    library.get_cubin()
    return Card

devices.get_context = dispatcher.get_current_device = lambda *_: Card
codegen.CUDACodeLibrary.get_cufunc = loaded

def facts(kernel):
    \"\"\"How often it was found, how often not, and its code.\"\"\"
    stats, lines = kernel.stats, kernel._run._codelibrary.get_asm_str().splitlines()
    code = "".join(line for line in lines if "_Z" not in line)  # names count the compilations
    return [sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), *hashlib.sha256(code.encode()).digest()]
"""
KERNELS = """
import card, mine
from fastopt.kernels.cuda import kernels as made
F = np.dtype("float32")
kernels = {
    "plain": made.sweep(RULES["adam"], F),
    "double": made.sweep(RULES["adam"], np.dtype("float64")),
    "clipped": made.sweep(RULES["adam"], F, stage=True, scaled=True),
    "held": made.sweep(RULES["adam"], F, held=True),
    "advance": made.advance(RULES["adam"], F),
    "squares": made.squares(F),
    "judge": made.judge(),
    "note": made.note(),
    "mine": made.sweep(mine.made(F.type(2.0)), F),
}
answers = {name: card.facts(kernel) for name, kernel in kernels.items()}
"""
FOUND, COMPILED = [1, 0], [0, 1]


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.write({"card.py": CARD})
    return place


def run(place, **env):
    """Whether each kernel was found, and its code."""
    answers = place.run(KERNELS, **env)["answers"]
    return {name: a[:2] for name, a in answers.items()}, {name: a[2:] for name, a in answers.items()}


def states(found):
    return set(map(tuple, found.values()))


def test_a_second_process_compiles_nothing_unless_files_are_damaged_or_out_of_reach(place):
    """In one place, whose first process compiles all: each step but the last leaves the cache whole."""
    first, code = run(place)
    files = place.files()
    assert states(first) == {(0, 1)}
    assert len({tuple(one) for one in code.values()}) == len(code)
    found, again = run(place)
    assert states(found) == {(1, 0)}
    assert again == code
    assert place.files() == files
    check_that_a_damaged_file_costs_one_compilation(place, code)
    check_that_no_folder_need_be_written(place, code)


def check_that_a_damaged_file_costs_one_compilation(place, code):
    for file in place.cache.rglob("norms.total*"):
        file.write_bytes(b"damaged")
    found, again = run(place)
    assert again == code
    assert (found["judge"], found["squares"], found["plain"]) == (COMPILED, COMPILED, FOUND)
    assert states(run(place)[0]) == {(1, 0)}


def check_that_no_folder_need_be_written(place, code):
    (place.folder / "fastopt/kernels/__pycache__").touch()  # a file in its place: permissions do not bind root
    nowhere = str(place.folder / "fastopt/kernels/__pycache__" / "cache")
    found, again = run(place, NUMBA_CACHE_DIR=nowhere, XDG_CACHE_HOME=nowhere, HOME=nowhere)
    assert again == code
    assert states(found) == {(0, 1)}


def test_changed_code_never_runs_old_code(place):
    _, code = run(place)
    place.edit("mine.py", "p - lr * k * g", "p + lr * k * g")
    found, changed = run(place)
    assert {name: state for name, state in found.items() if state != FOUND} == {"mine": COMPILED}
    assert changed["mine"] != code["mine"]
    place.edit("fastopt/rules/moments.py", "beta1 * m + rest1 * g", "beta1 * m - rest1 * g")
    found, _ = run(place)
    assert (found["plain"], found["held"], found["mine"], found["advance"]) == (COMPILED, COMPILED, FOUND, FOUND)
    place.edit("fastopt/kernels/cuda/loops/step.py", "EACH = 4", "EACH = 2 * 2")  # the template: all is compiled
    assert states(run(place)[0]) == {(0, 1)}


MANY = """
import card, numba
from numba import njit, types
from fastopt.kernels.cuda import bind as cuda_bind, minimize as cuda_many
from fastopt.kernels.minimize import Flags

def square(scale):
    def fun(x, grad):
        grad[0] = 2.0 * scale * x[0]
        return scale * x[0] * x[0]
    return fun

def fun(x, grad):
    grad[0] = 2.0 * x[0]
    return x[0] * x[0]

for name, one in {"function": fun, "closure": square(3.0)}.items():
    of = cuda_bind.device_function(njit(one)), types.float64, types.Tuple(()), types.Tuple(())
    answers[name] = card.facts(cuda_many.evaluation_kernel("inplace", *of))[:2]
    flags = Flags(*[False] * 6)
    answers["loop of " + name] = card.facts(cuda_many.loop_kernel(RULES["gd"], "inplace", of[0], flags, *of[1:]))[:2]
"""


def test_a_closure_leaves_no_file(place):
    for state in (COMPILED, FOUND):
        found = place.run(MANY)["answers"]
        assert (found["function"], found["loop of function"]) == (state, state)
        assert FOUND not in (found["closure"], found["loop of closure"])
    assert len([file for file in place.files() if file.endswith(".fastopt")]) == 2


WARMUP = """
import card, io, pathlib
from rich.console import Console
from fastopt.cli import warmup

warmup.no_cuda = lambda: None
out = io.StringIO()
warmup.run([RULES["gd"]], ["float32"], Console(file=out, width=200))
pathlib.Path("out.txt").write_text(out.getvalue())
"""
NEEDED = """
import card
from fastopt.kernels.cuda import kernels as made
F = np.dtype("float32")
for options in ({}, {"stage": True}, {"stage": True, "scaled": True}):
    answers[str(options)] = card.facts(made.sweep(RULES["gd"], F, **options))[:2]
for make in (made.squares, made.gather, made.fill):
    answers[make.__name__] = card.facts(make(F))[:2]
for make in (made.judge, made.note):
    answers[make.__name__] = card.facts(make())[:2]
"""


def test_warmup_leaves_nothing_to_compile(place):
    place.run(WARMUP)
    found = place.run(NEEDED)["answers"]
    assert len(found) == 8
    assert states(found) == {(1, 0)}
    place.run(WARMUP)
    says = (place.folder / "out.txt").read_text()
    assert re.search(r"kernel +dtype .+ cuda +cuda, staged +cuda, clipped", says)
    assert re.search(r"^gd +float32( +[\d.]+){7} *$", says, re.MULTILINE)
    assert "15 kernels in" in says
    assert ": 0 compiled, 15 from the cache" in says
    assert "no cuda" not in says
