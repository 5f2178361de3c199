"""Whatever any public function is handed: it takes it, or refuses it in one sentence of at most 300 characters."""

import os
import tempfile
import warnings

from hostile import VALUES, complaint, entries

PROMISE = "Whatever is wrong is refused in one sentence of at most 300 characters"
TRIED = "nests of hostile values (long, deep, huge, without repr) handed to every public function"
PATIENCE, SHORT = 120, range(20)

NAMES = list(VALUES)


def draw(rng, depth=0):
    case = {"entry": int(rng.integers(10**6))} if depth == 0 else {}
    kinds = ("list", "tuple", "dict", "keys") if depth < 3 else ()
    if kinds and rng.random() < 0.6:
        items = [draw(rng, depth + 1) for _ in range(rng.integers(1, 4))]
        return case | {"kind": kinds[rng.integers(len(kinds))], "items": items}
    return case | {"value": int(rng.integers(len(NAMES)))}


def made(spec):
    if "value" in spec:
        return VALUES[NAMES[spec["value"]]]()
    items = [made(item) for item in spec["items"]]
    if spec["kind"] == "keys":
        return {key if hasattr(key, "__hash__") and hashable(key) else str(k): k for k, key in enumerate(items)}
    if spec["kind"] == "dict":
        return {f"key {k}" * (1 + 40 * k): item for k, item in enumerate(items)}
    return tuple(items) if spec["kind"] == "tuple" else items


def hashable(key):
    try:
        hash(key)
    except TypeError:
        return False
    return True


def run(case):
    all_entries = list(entries())
    name, call = all_entries[case["entry"] % len(all_entries)]
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)  # where ``save`` may leave files
        try:
            wrong = complaint(name, call, made(case))
        finally:
            os.chdir(here)
    assert wrong is None, wrong
    return 1
