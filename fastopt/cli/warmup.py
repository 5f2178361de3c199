"""Compile the kernels that optimisers use, so that later processes find them in the disk cache."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..kernels import cpu, gather, norms
from ..rules import Rule
from .crossover import no_cuda

NO_CACHE = "no folder: nothing is compiled, or none can be written"
DTYPES = ("float32", "float64")


class Kernel(NamedTuple):
    """One that was made ready: whose it is, which of its kernels, how long it took, whether it came from the cache."""

    owner: str
    dtype: str
    kind: str
    seconds: float
    cached: bool


class Job(NamedTuple):
    owner: str
    dtype: str
    kind: str
    make: Callable[[], Any]


# Staged are the kernels that clip, decay or maximise. With one thread the parallel ones are never taken.
ON_CPU: dict[str, dict[str, bool]] = {
    "serial": {"parallel": False, "stage": False},
    "serial, staged": {"parallel": False, "stage": True},
    "parallel": {"parallel": True, "stage": False},
    "parallel, staged": {"parallel": True, "stage": True},
}
if numba.config.NUMBA_NUM_THREADS == 1:
    ON_CPU = {kind: options for kind, options in ON_CPU.items() if not options["parallel"]}
# Clipped are those that clip_norm takes. What graphs capture (capturable=True) is compiled when it is asked for.
ON_CUDA = {"cuda": {}, "cuda, staged": {"stage": True}, "cuda, clipped": {"stage": True, "scaled": True}}


def run(rules: list[Rule], dtypes: list[str], console: Console):
    """Make them ready, the variants of the rules too, with progress on stderr; then print what each took."""
    rules = list(dict.fromkeys(one for rule in rules for one in (rule, *rule.variants.values())))
    began = time.perf_counter()
    numba.njit("int64(int64)")(lambda x: x)  # or else the first kernel would be charged with Numba's own start
    start, kernels = time.perf_counter() - began, []
    errors = Console(stderr=True)
    bar = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    with bar:
        jobs = [*on_cpu(rules, dtypes), *(on_cuda(rules, dtypes) if no_cuda() is None else [])]
        task = bar.add_task("", total=len(jobs))
        for job in jobs:
            bar.update(task, description=f"{job.owner} {job.dtype}")
            kernels.append(timed(job))
            bar.advance(task)
    console.print(table(kernels))
    cached = sum(kernel.cached for kernel in kernels)
    console.print(
        f"\n{len(kernels)} kernels in {sum(kernel.seconds for kernel in kernels):.2f} s: "
        f"{len(kernels) - cached} compiled, {cached} from the cache; Numba's own start {start:.2f} s"
    )
    console.print(f"in {cache_folder(cpu.kernel(rules[0], np.dtype(dtypes[0]))) or NO_CACHE}", soft_wrap=True)
    if no_cuda() is not None:
        console.print(f"no cuda: {no_cuda()}", soft_wrap=True, markup=False)


def table(kernels: list[Kernel]) -> Table:
    """Milliseconds, a row per rule and dtype."""
    out = Table("kernel", "dtype", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    kinds = list(dict.fromkeys(kernel.kind for kernel in kernels))
    for kind in kinds:
        out.add_column(f"{kind} (ms)" if kind == "serial" else kind, justify="right")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for kernel in kernels:
        rows.setdefault((kernel.owner, kernel.dtype), {})[kernel.kind] = f"{1000 * kernel.seconds:.1f}"
    for (owner, dtype), times in rows.items():
        out.add_row(owner, dtype, *(times.get(kind, "") for kind in kinds))
    return out


def on_cpu(rules: list[Rule], dtypes: list[str]) -> Iterator[Job]:
    """The steps of these rules, the norms that clipping takes, and the gathering of gradients."""
    for rule in rules:
        for dtype in map(np.dtype, dtypes):
            for kind, options in ON_CPU.items():
                yield Job(rule.name, dtype.name, kind, partial(cpu.kernel, rule, dtype, **options))
    for dtype in map(np.dtype, dtypes):
        for kind, options in ON_CPU.items():
            if not options["stage"]:
                yield Job("norm", dtype.name, kind, partial(norms.kernel, dtype, in_parallel=options["parallel"]))
    yield Job("gather", "any", "serial", gather.kernel)


def on_cuda(rules: list[Rule], dtypes: list[str]) -> Iterator[Job]:
    """The same for the current GPU; they are kept for others of its compute capability."""
    from ..kernels.cuda import kernels

    for rule in rules:
        for dtype in map(np.dtype, dtypes):
            for kind, options in ON_CUDA.items():
                yield Job(rule.name, dtype.name, kind, partial(kernels.sweep, rule, dtype, **options))
    for dtype in map(np.dtype, dtypes):
        yield Job("norm", dtype.name, "cuda", partial(kernels.squares, dtype))
        yield Job("gather", dtype.name, "cuda", partial(kernels.gather, dtype))
        yield Job("fill", dtype.name, "cuda", partial(kernels.fill, dtype))
    yield Job("norm", "any", "cuda", kernels.judge)
    yield Job("gather", "any", "cuda", kernels.note)


def timed(job: Job) -> Kernel:
    began = time.perf_counter()
    kernel = job.make()
    seconds = time.perf_counter() - began
    return Kernel(job.owner, job.dtype, job.kind, seconds, is_cached(kernel))


def is_cached(kernel) -> bool:
    stats = getattr(kernel, "stats", None)
    return bool(stats and stats.cache_hits)


def cache_folder(kernel) -> str | None:
    """Where Numba keeps a kernel; None where it keeps none: nowhere to write to, or nothing compiled."""
    stats = getattr(kernel, "stats", None)
    return stats and stats.cache_path
