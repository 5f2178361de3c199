"""Random optimisers: serial, parallel and packed ones take the same steps to the bit, and the oracle's; what is refused
changes nothing."""

import numpy as np
import refusals
from reference import Reference
from refusals import WRONG_GRADIENT, contents
from stepping import BY_NAME, CASES, assert_close, bits, leaves, spelt

import fastopt

PROMISE = "Serial, parallel and packed optimisers agree to the bit, a refused step changes nothing"
TRIED = "steps of random optimisers: rules, dtypes, shapes, options, missing and wrong gradients"
PATIENCE, SHORT = 120, (0, 2, 5)

SIZES = (0, 1, 2, 31, 32, 33, 255, 257, 1000)
OPTIONS = {
    "maximize": [True],
    "weight_decay": [0.1, 1.5],
    "clip_value": [0.5, 2.0],
    "clip_norm": [0.1, 10.0],
    "check_finite": [True, "skip"],
}


def draw(rng):
    pick = lambda values: values[rng.integers(len(values))]  # noqa: E731
    shapes = [
        [int(pick(SIZES))] if rng.random() < 0.7 else [3, int(rng.integers(1, 9))] for _ in range(rng.integers(1, 5))
    ]
    return {
        "rule": int(rng.integers(len(CASES))),
        "dtypes": [pick(["f4", "f8"]) for _ in shapes] if rng.random() < 0.5 else [pick(["f4", "f8"])] * len(shapes),
        "shapes": shapes,
        "options": {name: pick(values) for name, values in OPTIONS.items() if rng.random() < 0.3},
        "steps": [pick(["good"] * 6 + ["missing", "wrong", "nan", "zero"]) for _ in range(rng.integers(2, 12))],
        "seed": int(rng.integers(2**31)),
    }


def run(case):
    rng = np.random.default_rng(case["seed"])
    dtypes = [np.dtype(d) for d in case["dtypes"]][: len(case["shapes"])]
    start = [rng.normal(size=shape).astype(d) for shape, d in zip(case["shapes"], dtypes)]
    name, hyper = CASES[case["rule"]]
    options = hyper | {k: v for k, v in case["options"].items() if v is not None}
    held = {"serial": [a.copy() for a in start], "parallel": [a.copy() for a in start], "packed": fastopt.pack(start)}
    own = {"serial": {"parallel": False}, "parallel": {"parallel": True, "threads": 2}, "packed": {}}
    opts = {kind: fastopt.Optimizer(held[kind], BY_NAME[name], **spelt(options), **own[kind]) for kind in held}
    oracle = Reference(name, start, **{k: v for k, v in options.items() if k != "check_finite"})
    checks = options.get("check_finite", False)
    for kind in case["steps"]:
        grads = [(rng.normal(size=a.shape) * 10.0 ** rng.integers(-2, 2)).astype(a.dtype) for a in start]
        at = int(rng.integers(len(grads)))
        if kind == "zero":
            grads[at][...] = 0
        if kind == "nan" and grads[at].size and checks:
            grads[at].flat[0] = rng.choice([np.nan, np.inf])
            for opt in opts.values():
                refused_or_skipped(opt, grads, checks)
            continue
        if kind == "missing":
            grads[at] = None
        if kind == "wrong":
            refuse(opts.values(), grads, at, rng)
            continue
        for opt in opts.values():
            opt.step(grads)
        oracle.step(grads)
    serial = opts.pop("serial")
    for kind, opt in opts.items():
        assert (opt.t, opt.counts) == (serial.t, serial.counts)
        if kind == "parallel" or "clip_norm" not in options:  # the norm of a pack is added up in another order
            assert bits(*arrays_of(opt)) == bits(*arrays_of(serial)), f"{opt!r}, {kind}, differs from the serial one"
    assert serial.t == oracle.t
    tolerance = {np.dtype("f4"): 1e-3, np.dtype("f8"): 1e-9}
    assert_close(leaves(serial.params), oracle.params, "parameters", tolerance)
    return len(case["steps"]) * 3


def arrays_of(opt):
    return [*leaves(opt.params), *(a for arrays in opt.state.values() for a in leaves(arrays))]


def refused_or_skipped(opt, grads, checks):
    before = contents(opt)
    skipped = opt.skipped
    try:
        opt.step(grads)
    except ValueError:
        assert checks is True
    else:
        assert checks == "skip"
        assert opt.skipped == skipped + 1
    now = contents(opt)
    assert (before[0], before[3]) == (now[0], now[3]), "a refused step changed something"


def refuse(opts, grads, at, rng):
    """Something that is no gradient of this array, in its place."""
    kind, make, error, _ = WRONG_GRADIENT[rng.integers(len(WRONG_GRADIENT))]
    if grads[at].size == 0 or (grads[at].dtype == "f4" and kind in ("swapped bytes", "misaligned")):
        return
    wrong = [*grads[:at], make(grads[at]), *grads[at + 1 :]]
    for opt in opts:
        refusals.refuse(lambda opt=opt: opt.step(wrong), error, unchanged=[opt])
