"""Both sides on the same problems, step by step."""

import numpy as np

import fastopt
from conformance.frameworks import MAKERS
from fastopt.rules.presets import PRESETS

STEPS = 100
SHAPES = [(7,), (3, 4)]
LR = 0.03


def normal(rng, low=0, high=0):
    return [rng.normal(size=shape) * 10.0 ** rng.uniform(low, high, shape) for shape in SHAPES]


def tasks():
    """name -> (parameters, learning rate of every step, gradient of step k at parameters p)."""
    rng = np.random.default_rng(7)
    start, curvature, best = normal(rng), [np.abs(a) for a in normal(rng, -1, 1)], normal(rng)
    noise = [normal(rng, -3, 1) for _ in range(STEPS)]
    constant, falling = np.full(STEPS, LR), LR * 0.95 ** np.arange(STEPS)
    return {
        "random": (start, constant, lambda k, p: noise[k]),
        "tiny": ([0.0 * a for a in start], constant, lambda k, p: [1e-8 * g for g in noise[k]]),
        "quadratic": (start, constant, lambda k, p: [c * (a - b) for a, b, c in zip(p, best, curvature)]),
        "falling lr": (start, falling, lambda k, p: noise[k]),
    }


def preset_for(cell):
    return cell.framework if cell.framework in PRESETS.get(cell.label, {}) else None


def difference(cell, ours, theirs, task, preset=None):
    """The largest of all steps, relative to how far a parameter has come."""
    start, lrs, gradient = task
    params = [p.copy() for p in start]
    opt = getattr(fastopt, cell.label)(params, lambda k: float(lrs[k]), preset=preset, **ours)
    other = MAKERS[cell.framework](start, [float(lr) for lr in lrs], cell.theirs, theirs)
    found, far, those = 0.0, 0.0, start
    for k in range(STEPS):
        grads = gradient(k, those)  # for both: at its own parameters each would let rounding grow near a minimum
        opt.step(grads)
        those = other.step(grads, k)
        far = max(far, *(np.abs(a - s).max() for side in (params, those) for a, s in zip(side, start)))
        apart = max(np.abs(a - b).max() for a, b in zip(params, those))
        found = max(found, apart / far if apart else 0.0)
    return float(found)


def differences(cell, preset, own=True):
    """Of every comparison, on every task; ``own`` says whether with the keywords that our side needs."""
    for ours, theirs in cell.comparisons(own):
        for name, task in tasks().items():
            # beside gradients of 1e-8 a decay is all there is, and normalised it turns rounding into steps
            if name not in cell.without and not (name == "tiny" and "weight_decay" in theirs):
                yield difference(cell, ours, theirs, task, preset)
