"""The problems of ``curve_fit_many`` and ``least_squares_many`` on a GPU: a thread for each."""

import time
from typing import Any, NamedTuple

import numba
import numpy as np

from ..arrays.libraries import library_of
from ..errors import describe, shorten, spell
from ..kernels.bind import first_reason
from ..kernels.cuda import gpu
from ..kernels.cuda import least_squares as cuda_squares
from ..kernels.cuda.bind import device_function
from ..kernels.cuda.minimize import THREADS
from ..kernels.loops.least_squares import ABSOLUTE, BOUNDED, CHUNKS, LAST_TICK, MOST, PLANNED, ROBUST
from ..kernels.slices import FIRST_SLICE, next_slice
from ..progress import progress_bar
from .device_problems import kinds_of, seen
from .fitted import ended
from .squares import Solved
from .squares_arguments import limits, starts
from .squares_chunks import Outcome, begun_of, ready
from .squares_evaluation import Model, check_call

BLOCK = 1 << 20  # problems that are finished before others begin
UNKNOWN = "an exception, of which a GPU says no more"


class Task(NamedTuple):
    """What all problems have in common."""

    s: Any
    dtype: Any
    d: int
    lanes: int = 1


def function_of(role, function):
    """The user's function for use in a kernel, and as Python; raises where there is none."""
    if gpu.SIMULATED:
        raise TypeError(f"{role} must be compiled for a real GPU, got an array in Numba's simulator, which cannot")
    own = device_function(function)
    if own is None:
        raise TypeError(
            f"{role} must be a Numba function for arrays on the GPU, @cuda.jit(device=True) or @njit, "
            f"got {describe(function)}"
        )
    return own, own.py_func


def given(target, residuals, X0, args, shared, names, bounds, s):
    """What ``fitted_there`` takes, of ``least_squares_many``; ``names`` are those of the function's arguments."""
    function, plain = function_of("residuals", residuals)
    place = target.describe("X0", X0)
    if len(place.shape) != 2:
        raise ValueError(f"X0 must have shape (k, d), got {spell(place.shape)}")
    X = starts("X0", target.on_host("X0", X0))
    with target.current():
        views = seen(target, "X0", len(X), args, shared)
    model = Model(function, None, "residuals", check_call("residuals", plain, names))
    return model, X, (*views, (X0, *args, *shared)), limits(bounds, X, "X0"), s, np.full(len(X), -1.0)


def fitted_there(target, progress, model, X, given, limited, s, points):
    """The result of all problems, as ``fitted`` has it; x, its errors and covariances are on the GPU.

    ``given`` are the views of rows and of what all share, and the caller's arrays.
    """
    args, shared, arrays = given
    task, problems = Task(s, X.dtype, X.shape[1]), ready(X, points)
    with target.current():
        gpu.finish()  # what made the arrays, on whatever streams
        loop = _loop(model, task, args, shared)
        ends = None if s.maxtime is None else time.perf_counter() + s.maxtime
        there = Solved(*(gpu.from_host(np.asfortranarray(a)) for a in problems))
        run = _Run(task, loop, (args, shared), there, limited, target.stream(arrays))
        with progress_bar(progress, len(X), "problems") as advance:
            for begin in range(0, len(X), BLOCK):
                end = min(begin + BLOCK, len(X))
                if not run.part(begin, end, ends):
                    break
                advance(end - begin, "")
        problems = Solved(*map(gpu.to_host, there))
        found = ended(model, Outcome(problems, begun_of(problems), UNKNOWN), task)
        for name in ("x", "cov", "stderr"):
            found[name] = target.handed_over(library_of(arrays[0]), gpu.from_host(np.ascontiguousarray(found[name])))
    return found


def _loop(model, task, args, shared):
    scalar = numba.from_dtype(task.dtype)
    kinds = scalar, task.d, task.s.loss, kinds_of(args), kinds_of(shared)
    try:
        return cuda_squares.loop_kernel(model.curve, model.function, *kinds)
    except Exception as error:  # NumPy's functions that CUDA's Numba does not know end in a KeyError, for one
        name, call = shorten(model.function.py_func.__name__, 40), shorten(model.call, 80)
        reason = first_reason(error) or type(error).__name__
        says = f"{model.role} must compile for CUDA as {call}, but {name} does not: {reason}"
        raise TypeError(f"{says[:270]}; it must make no arrays") from error


class _Run:
    """Problems that are on the GPU, and the launches of the loop for them."""

    def __init__(self, task, loop, given, problems, limited, stream):
        self.loop, self.given, self.stream = loop, given, stream
        x, kept, normal, counts, cov, stderr = problems
        scale = gpu.from_host(np.zeros(x.shape, x.dtype, "F"))
        self.problems, self.results = (x, scale, kept, counts), (normal, cov, stderr)
        self.tests, self.limits = gpu.from_host(task.s.tests(task.dtype)), gpu.from_host(np.asfortranarray(limited))
        self.plan = np.zeros(PLANNED, np.int64)
        self.plan[[CHUNKS, MOST]] = 1, task.s.most(task.d)
        self.plan[[BOUNDED, ABSOLUTE, ROBUST]] = limited.shape[2] > 0, task.s.absolute, task.s.loss > 0

    def part(self, begin, end, ends):
        """Go on with these until each has ended, or until the time ``ends``: then False."""
        limit, going = FIRST_SLICE, True
        while going:
            before = time.perf_counter()
            if ends is not None and before >= ends:
                return False
            going = self._slice(begin, end, limit)
            limit = next_slice(limit, time.perf_counter() - before)
        return True

    def _slice(self, begin, end, limit):
        """So many evaluations of each; whether any still runs."""
        self.plan[LAST_TICK] = limit
        going = gpu.from_host(np.zeros(1, np.int64))
        course = self.limits, self.tests, gpu.from_host(self.plan)
        blocks = -(-(end - begin) // THREADS)
        self.loop(
            self.stream, blocks, *self.given, self.problems, self.results, course, (begin, end), going, threads=THREADS
        )
        return bool(gpu.to_host(going)[0])
