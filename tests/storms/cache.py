"""Damage to the files that compiled code is kept in: it costs a compilation, and nothing else."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from checkpoints import mutate
from processes import Place

PROMISE = "A damaged cache costs a compilation, never a wrong result or the process"
TRIED = "processes started on a cache with changed bits, lost, swapped and cut files"
PATIENCE, SHORT = 120, (0,)

CODE = """
answers["gd"] = stepped(RULES["gd"], np.float32)
answers["clipped"] = stepped(RULES["gd"], clip_norm=0.5)
"""


def draw(rng):
    return {"damages": [int(rng.integers(2**31)) for _ in range(rng.integers(1, 5))]}


@cache
def filled():
    """A place whose cache has what the code needs, and what the code gives."""
    place = Place(Path(tempfile.mkdtemp()))
    answers = place.run(CODE)["answers"]
    shutil.copytree(place.cache, place.folder / "whole")
    return place, answers


def run(case):
    place, answers = filled()
    shutil.rmtree(place.cache)
    shutil.copytree(place.folder / "whole", place.cache)
    for seed in case["damages"]:
        damage(place.cache, np.random.default_rng(seed))
    assert place.run(CODE)["answers"] == answers, "a damaged cache gave another result"
    assert place.run(CODE) == {"answers": answers, "compiled": []}, "the damage is not healed"
    return 1


def damage(folder, rng):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    one, other = (files[k] for k in rng.integers(len(files), size=2))
    data = one.read_bytes()
    kind = rng.integers(10)
    if kind == 0:
        one.unlink()
    elif kind == 1:
        one.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif kind == 2:
        one.write_bytes(b"")
    else:
        one.write_bytes(mutate(data, rng))
