"""Which extras of pyproject.toml are installed. Tests that need one are marked ``needs("cuda")`` (conftest.py)."""

import importlib.util

PACKAGES = {"cuda": ("numba_cuda",), "peers": ("torch", "jax", "optax")}


def why_not(extra):
    """Why what needs this extra cannot run, if it cannot."""
    if all(importlib.util.find_spec(package) for package in PACKAGES[extra]):
        return None
    return f"needs the {extra} extra: ci/test --with {extra}"
