"""Which extras of pyproject.toml are installed. Tests that need one are marked ``needs("cuda")`` (conftest.py).

Those that need some of its packages only name these, too: ``needs("peers", "torch")``.
"""

import importlib.util

PACKAGES = {
    "cuda": ("numba_cuda",),
    "peers": ("torch", "jax", "optax"),
    "dialects": ("keras", "timm"),
    "mpi": ("mpi4py",),
    "dask": ("distributed",),
}


def is_installed(package):
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None  # a folder of tests has the name of one, and no origin


def why_not(extra, *packages):
    """Why what needs this extra, or these packages of it, cannot run, if it cannot."""
    if all(map(is_installed, packages or PACKAGES[extra])):
        return None
    return f"needs the {extra} extra: ci/test --with {extra}"
