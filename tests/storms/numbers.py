"""Gradients of any size: their norm is right, and so is what clipping makes of them."""

import numpy as np
from numba import njit
from stepping import BY_NAME, bits

import fastopt
from fastopt import jit

PROMISE = "Norms are right at any scale, by the option and by `jit.clip_norm` to the same bits"
TRIED = "gradients of sizes from the smallest to the largest number, infinite and NaN ones among them"
PATIENCE, SHORT = 60, range(60)


def draw(rng):
    return {
        "dtype": ("f4", "f8")[rng.integers(2)],
        "size": int(10 ** rng.uniform(0, 3)),
        "exponents": sorted(float(x) for x in rng.uniform(-330, 310, 2)),
        "special": ("", "", "", "nan", "inf", "zero")[rng.integers(6)],
        "clip": float(10 ** rng.uniform(-3, 3)),
        "seed": int(rng.integers(2**31)),
    }


@njit
def clipped(g, most):
    return jit.clip_norm(g, most)


def run(case):
    rng = np.random.default_rng(case["seed"])
    low, high = ([x or 0.0 for x in case["exponents"]] + [0.0, 0.0])[:2]
    dtype = np.dtype(case["dtype"])
    with np.errstate(all="ignore"):
        g = (rng.normal(size=case["size"]) * 10.0 ** rng.uniform(low, high, case["size"])).astype(dtype)
        g[~np.isfinite(g)] = np.finfo(dtype).max
    if case["special"]:
        g[0] = {"nan": np.nan, "inf": np.inf, "zero": 0.0}[case["special"]]
    clip = case["clip"] or 1.0
    p = np.zeros(g.size, dtype)
    opt = fastopt.Optimizer(p, BY_NAME["gd"], lr=1.0, maximize=True, clip_norm=clip)
    opt.step(g)
    own = g.copy()
    norm = clipped(own, clip)
    left = np.where(np.abs(own) < np.finfo(dtype).tiny, 0, own).astype(dtype)  # a step counts subnormals as zero
    assert bits(p + 0.0) == bits(left + 0.0), "the option and jit.clip_norm differ"  # zeros of either sign are equal
    flushed = np.where(np.abs(g) < np.finfo(dtype).tiny, 0, g).astype(np.longdouble)
    with np.errstate(all="ignore"):
        true = np.sqrt((flushed * flushed).sum())
        expected = flushed * np.minimum(1, clip / (true + 1e-6))
    if not np.isfinite(true):
        assert not np.isfinite(norm)
        return 1
    if true < np.finfo("f8").max:
        assert abs(norm - true) <= 1e-12 * true, f"the norm is {true}, got {norm}"
    relative, tiny = (1e-12 if dtype == "f8" else 1e-6), 4 * np.finfo(dtype).tiny
    assert (np.abs(own - expected) <= relative * np.abs(expected) + tiny).all(), "the clipped gradient is wrong"
    return 1
