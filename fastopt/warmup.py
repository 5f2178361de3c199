"""Compile the kernels that optimisers use, so that later processes find them in the disk cache."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .kernels import cpu, gather, reduce
from .rules import Rule

NO_CACHE = "no folder: nothing is compiled, or none can be written"
DTYPES = ("float32", "float64")


class Kernel(NamedTuple):
    """One that was made ready: whose it is, which of the four, how long it took, whether it came from the cache."""

    owner: str
    dtype: str
    kind: str
    seconds: float
    cached: bool


# Staged are the kernels that clip, decay or maximise. With one thread the parallel ones are never taken.
KINDS = {
    "serial": {"parallel": False, "stage": False},
    "serial, staged": {"parallel": False, "stage": True},
    "parallel": {"parallel": True, "stage": False},
    "parallel, staged": {"parallel": True, "stage": True},
}
if numba.config.NUMBA_NUM_THREADS == 1:
    KINDS = {kind: options for kind, options in KINDS.items() if not options["parallel"]}


def run(rules: list[Rule], dtypes: list[str], console: Console):
    """Make them ready, the variants of the rules too, with progress on stderr; then print what each took."""
    rules = list(dict.fromkeys(one for rule in rules for one in (rule, *rule.variants.values())))
    began = time.perf_counter()
    numba.njit("int64(int64)")(lambda x: x)  # or else the first kernel would be charged with Numba's own start
    start, kernels = time.perf_counter() - began, []
    errors = Console(stderr=True)
    bar = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    with bar:
        task = bar.add_task("", total=count(rules, dtypes))
        for kernel in warm(rules, dtypes):
            kernels.append(kernel)
            bar.update(task, advance=1, description=f"{kernel.owner} {kernel.dtype}")
    console.print(table(kernels))
    cached = sum(kernel.cached for kernel in kernels)
    console.print(
        f"\n{len(kernels)} kernels in {sum(kernel.seconds for kernel in kernels):.2f} s: "
        f"{len(kernels) - cached} compiled, {cached} from the cache; Numba's own start {start:.2f} s"
    )
    console.print(f"in {cache_folder(cpu.kernel(rules[0], np.dtype(dtypes[0]))) or NO_CACHE}", soft_wrap=True)


def table(kernels: list[Kernel]) -> Table:
    """Milliseconds, a row per rule and dtype."""
    out = Table("kernel", "dtype", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for kind in KINDS:
        out.add_column(f"{kind} (ms)" if kind == "serial" else kind, justify="right")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for kernel in kernels:
        rows.setdefault((kernel.owner, kernel.dtype), {})[kernel.kind] = f"{1000 * kernel.seconds:.1f}"
    for (owner, dtype), times in rows.items():
        out.add_row(owner, dtype, *(times.get(kind, "") for kind in KINDS))
    return out


def warm(rules: list[Rule], dtypes: list[str]) -> Iterator[Kernel]:
    """The steps of these rules, the norms that clipping takes, and the gathering of gradients."""
    for rule in rules:
        for dtype in dtypes:
            for kind, options in KINDS.items():
                yield timed(rule.name, dtype, kind, lambda r=rule, d=dtype, o=options: cpu.kernel(r, np.dtype(d), **o))
    for dtype in dtypes:
        for kind, options in KINDS.items():
            if not options["stage"]:
                many = options["parallel"]
                yield timed("norm", dtype, kind, lambda d=dtype, m=many: reduce.kernel(np.dtype(d), in_parallel=m))
    yield timed("gather", "any", "serial", gather.kernel)


def count(rules: list[Rule], dtypes: list[str]) -> int:
    return len(dtypes) * (len(rules) * len(KINDS) + len(KINDS) // 2) + 1


def timed(owner, dtype, kind, make) -> Kernel:
    began = time.perf_counter()
    kernel = make()
    seconds = time.perf_counter() - began
    return Kernel(owner, dtype, kind, seconds, is_cached(kernel))


def is_cached(kernel) -> bool:
    stats = getattr(kernel, "stats", None)
    return bool(stats and stats.cache_hits)


def cache_folder(kernel) -> str | None:
    """Where Numba keeps a kernel; None where it keeps none: nowhere to write to, or nothing compiled."""
    stats = getattr(kernel, "stats", None)
    return stats and stats.cache_path
