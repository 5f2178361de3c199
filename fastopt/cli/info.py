"""What ``fastopt info`` prints."""

import platform
from collections.abc import Iterator

import llvmlite.binding
import numba
import numpy as np
import scipy
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .. import __version__
from ..kernels import cpu
from ..rules import RULES
from ..step.constructors import CONSTRUCTORS
from ..targets import missing
from .cache import total
from .warmup import DTYPES, NO_CACHE, cache_folder


def facts() -> Iterator[tuple[str, str]]:
    yield "fastopt", __version__
    yield "python", platform.python_version()
    yield "numba", numba.__version__
    yield "numpy", np.__version__
    yield "scipy", scipy.__version__
    yield "cpu", f"{llvmlite.binding.get_host_cpu_name()} ({platform.machine()}, {platform.system()})"
    yield "cuda", cuda()
    yield "threads", f"{numba.get_num_threads()} of {numba.config.NUMBA_NUM_THREADS}"
    yield "threading layer", threading_layer()
    yield "kernel cache", cache_folder(cpu.kernel(RULES[0], np.dtype("float64"))) or NO_CACHE
    yield "cache size", total()


def cuda() -> str:
    """The device; without one, which piece is missing."""
    piece = missing()
    if piece is not None:
        return f"none: {piece}"
    from ..kernels.cuda.gpu import facts

    return facts()


def threading_layer() -> str:
    """Numba chooses it at the first parallel launch, so there is one here."""
    CONSTRUCTORS["GD"](np.zeros(2), parallel=True).step(np.zeros(2))
    try:
        layer = numba.threading_layer()
        return layer + ", so serial where there are other threads" * (layer == "workqueue")
    except ValueError:
        return "none: nothing runs in parallel"


def thresholds() -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.add_column("threads from")
    for dtype in DTYPES:
        table.add_column(dtype, justify="right")
    for rule in RULES:
        table.add_row(rule.name, *(str(cpu.threshold(rule, dtype)) for dtype in DTYPES))
    return table
