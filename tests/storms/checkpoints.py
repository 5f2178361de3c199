"""Checkpoints of random nests: each array gets back its own values; what is damaged is refused whole."""

import tempfile
from pathlib import Path

import numpy as np
import refusals
from checkpoints import mutate
from stepping import BY_NAME, bits, leaves

import fastopt

PROMISE = "A checkpoint is loaded whole into the arrays it came from, or refused with nothing changed"
TRIED = "loads of checkpoints, of which most were damaged"
PATIENCE, SHORT = 60, range(10)

KEYS = [  # no two of them equal
    *("a", "b", "a b", "a  b", " a", "a\tb", "a\n", "", "1", "é", "e\u0301", "x" * 300, "W'", '["W"]', "params", "\\"),
    *(f"transformer.encoder.layer.0.attention.{name}.weight" for name in ("query", "value", "key")),
    *(1, -1, 1.5, None, False, 2**70),
]
RULES = ("adam", "sgd", "nadam", "rmsprop_centered")
TRIES = 40  # files made of one checkpoint


def draw(rng):
    return {
        "keys": [int(k) for k in rng.choice(len(KEYS), int(rng.integers(1, 7)), replace=False)],
        "depth": int(rng.integers(0, 3)),
        "rule": int(rng.integers(len(RULES))),
        "dtypes": [("f4", "f8")[k] for k in rng.integers(2, size=7)],
        "steps": int(rng.integers(0, 4)),
        "groups": bool(rng.random() < 0.3),
        "seed": int(rng.integers(2**31)),
    }


def run(case):
    rng = np.random.default_rng(case["seed"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        opt = optimiser(case, rng, 1.0)
        fastopt.save(path, opt)
        back = optimiser(case, rng, 0.0, order=rng.permutation(len(case["keys"])))
        fastopt.load(path, back)
        same(opt, back)
        whole = path.read_bytes()
        for _ in range(TRIES):
            damaged = mutate(whole, rng)
            path.write_bytes(damaged)
            loaded_or_refused(path, opt, optimiser(case, rng, 0.5))
    return TRIES + 1


def optimiser(case, rng, value, order=None):
    """With arrays that differ from each other, in a mapping whose keys come in this order."""
    keys = [KEYS[k] for k in case["keys"]]
    nest = {}
    for at in range(len(keys)) if order is None else order:
        a = np.full((at + 1, 2), value * (at + 1), case["dtypes"][at])
        if len(keys) > 1:
            a = np.full(3, value * (at + 1), case["dtypes"][at])
        nest[keys[at]] = a
    for _ in range(case["depth"]):
        nest = {"inside": [nest]}
    params = [{"params": nest, "lr": 0.1 * value + 0.01}] if case["groups"] else nest
    opt = fastopt.Optimizer(params, BY_NAME[RULES[case["rule"]]], lr=0.1 * value + 0.01)
    for _ in range(case["steps"] if value == 1.0 else 1):
        grads = np.random.default_rng(0).normal(size=7)
        filled = fill(nest, iter(grads))
        opt.step([filled] if case["groups"] else filled)
    return opt


def fill(nest, numbers):
    if isinstance(nest, dict):
        return {key: fill(child, numbers) for key, child in nest.items()}
    if isinstance(nest, list):
        return [fill(child, numbers) for child in nest]
    return np.full_like(nest, next(numbers))


def loaded_or_refused(path, opt, other):
    """What was damaged may be what nothing depends on; then all is loaded."""
    before = refusals.contents(other)
    try:
        fastopt.load(path, other)
    except ValueError as refused:
        if len(str(refused)) > 300:
            raise
        assert refusals.contents(other) == before, "a refused load changed something"
    else:
        same(opt, other)


def same(opt, back):
    """That each array has its own values, found by its key."""
    mine, theirs = by_key(opt), by_key(back)
    assert mine == theirs, "an array was loaded with another's values"
    assert (opt.t, opt.groups[0].lr) == (back.t, back.groups[0].lr)


def by_key(opt):
    params = opt.params[0] if isinstance(opt.params, list) else opt.params
    state = {slot: nest[0] if isinstance(nest, list) else nest for slot, nest in opt.state.items()}
    return {name: flat(nest) for name, nest in [("params", params), *state.items()]}


def flat(nest):
    while isinstance(nest, dict) and list(nest) == ["inside"]:
        (nest,) = nest["inside"]
    return {(type(key).__name__, key): bits(*leaves(child)) for key, child in nest.items()}
