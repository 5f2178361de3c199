"""Steps on the CPU: the kernel of a rule, serial or parallel, and when to use which."""

from contextlib import contextmanager
from functools import cache

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from ..linking import link
from .bind import compiled, first_reason
from .loops import step as templates
from .modifiers import informed, plain_name, staged
from .narrow import update_of
from .threads import in_threads

# A parallel launch costs some microseconds: below about this many bytes moved per step, one thread is faster. With two
# threads `fastopt crossover` found 0.3 to 0.7 MB for rules bound by root and division, 0.9 to 2 MB for the others.
BYTES_PER_LAUNCH = 800_000


@cache
def elements(rule):
    """The loop over elements of a rule: one function for all kernels, so that Numba compiles it once."""
    return link(templates.elements, update=update_of(rule))


@cache
def sweep(rule):
    return link(templates.sweep, elements=elements(rule))


@cache
def kernel(rule, dtype, *, parallel=False, stage=False):
    """The compiled step of a rule: ``(p, g, state, counts, t, h) -> code``, and ``chunks`` after h if parallel.

    ``p`` and the arrays of the tuple ``state`` are flat, contiguous and of this dtype; ``g`` may be read-only.
    ``counts`` is where the step is counted and ``t`` says which it is (loops/step.py). ``counts`` is 0 where nobody
    counts; then t ≥ 1. ``h`` holds the hyperparameters as floats, then, if staged, those of the stage. The code is 0,
    or says why the step was refused, with nothing written. The numbers that a rule makes of its sums are the last of h.
    """
    rule = informed(staged(rule) if stage else rule)
    template = templates.parallel if parallel else templates.serial
    step = link(template, sweep=sweep(rule), coefficients=rule.coefficients)
    scalar = numba.from_dtype(dtype)
    array = types.Array(scalar, 1, "C")
    gradient = types.Array(scalar, 1, "C", readonly=True)
    state = types.UniTuple(array, len(rule.state))
    hyper = types.UniTuple(types.float64, len(rule.hyper))
    arguments = (array, gradient, state, types.int64, types.int64, hyper) + ((types.int64,) if parallel else ())
    name = f"{rule.name}_{dtype}_{'parallel' if parallel else 'serial'}"
    with refused_by_compiler(rule, dtype):
        return compiled(step, name, types.int64(*arguments), parallel=parallel)


@contextmanager
def refused_by_compiler(rule, dtype):
    """Says in one sentence why a rule does not compile."""
    try:
        yield
    except (NumbaError, UnsupportedBytecodeError) as error:
        raise TypeError(
            f"rule {plain_name(rule.name)!r} must compile for {dtype} arrays: {first_reason(error)}"
        ) from error


def threshold(rule, dtype):
    """From how many elements on the parallel kernel is taken."""
    per_element = np.dtype(dtype).itemsize * (3 + 2 * len(rule.state))
    return BYTES_PER_LAUNCH // per_element


def step(rule, dtype, size, *, stage=False, parallel=None, threads=None):
    """The function that steps an array of this size, and whether it is parallel."""
    if parallel is None:
        parallel = size >= threshold(rule, dtype)
    if threads == 1 or (threads is None and numba.config.NUMBA_NUM_THREADS == 1):
        parallel = False
    if not parallel:
        return kernel(rule, dtype, stage=stage)
    many, one = kernel(rule, dtype, parallel=True, stage=stage), kernel(rule, dtype, stage=stage)

    def launch(*step):
        return in_threads(lambda chunks: many(*step, chunks), lambda: one(*step), threads)

    return launch
