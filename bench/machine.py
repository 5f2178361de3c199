"""What figures depend on besides the code: processor, threads, versions; and the name that results go by."""

import platform
import re
from importlib.metadata import PackageNotFoundError, version

import numba

PACKAGES = ("fastopt", "numba", "numba-cuda", "llvmlite", "numpy", "scipy", "scikit-learn", "torch", "jax", "optax")


def describe(cpu):
    """``cpu``: what pytest-benchmark found out about the processor."""
    return {
        "cpu": cpu.get("brand_raw") or platform.machine(),
        "threads": numba.config.NUMBA_NUM_THREADS,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def name(machine):
    """``amd-epyc-2-threads``: where processor and threads are the same, figures can be compared. Or the GPU's name."""
    what = machine.get("card") or f"{machine['cpu']} {machine['threads']} threads"
    return re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None
