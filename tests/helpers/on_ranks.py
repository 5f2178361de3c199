"""Optimisers on several ranks, and the gradients that tests step them with: of each rank its own."""

import numpy as np
from ranks_in_threads import run

import fastopt

SHAPES = {"W": (5, 7), "b": (3,), "c": (4, 3), "s": ()}
DTYPES = {"W": np.float32, "b": np.float64, "c": np.float64, "s": np.float64}


def parameters(dtypes=DTYPES, seed=0):
    rng = np.random.default_rng(seed)
    found = {name: np.asarray(rng.normal(size=shape), dtypes[name]) for name, shape in SHAPES.items()}
    return found | {"c": np.asfortranarray(found["c"])}


def gradients(params, t, rank):
    found = {}
    for i, (name, p) in enumerate(params.items()):
        g = np.asarray(np.random.default_rng((t, rank, i)).normal(size=p.shape), p.dtype)
        found[name] = np.asfortranarray(g) if name == "c" else g
    return found


def summed(many):
    """In the order of the ranks; None where none has one."""
    out = {}
    for name in many[0]:
        present = [g[name] for g in many if g[name] is not None]
        out[name] = np.asarray(sum(present[1:], present[0]), present[0].dtype) if present else None
    return out


def values(params):
    return {name: np.array(p) for name, p in params.items()}


def results(size, script, *args):
    """What a script returns on each rank; raises what one raised."""
    found, _ = run(size, script, *args)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def errors(size, script, *args):
    """What a script raises on each rank, as texts that begin with the class."""
    found, _ = run(size, script, *args)
    return [f"{type(one).__name__}: {one}" if isinstance(one, BaseException) else one for one in found]


def adam(comm, **options):
    return fastopt.Adam(parameters(), lr=0.1, comm=comm, **options)
