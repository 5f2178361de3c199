"""The functions of ``fastopt.jit`` in a loop over an array, against the C library's in the same loop."""

import math

import numpy as np
import pytest
from conftest import Contestant
from numba import njit

from fastopt import jit

SIZE = 4096
THEIRS = {
    "sigmoid": njit(lambda x: 1 / (1 + math.exp(-x))),
    "softplus": njit(lambda x: math.log1p(math.exp(x))),
    "pow": njit(lambda x: x**0.7),
}
OURS = {"pow": njit(lambda x: jit.pow(x, 0.7), forceinline=True)}


def over(function, x, expected):
    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty_like(x)
    return Contestant(lambda: loop(x, out), lambda: out, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "sigmoid", "softplus", "pow"])
def test_vector_maths(race, figure, name, dtype):
    x = np.random.default_rng(0).uniform(0.1, 3, SIZE).astype(dtype)
    theirs = THEIRS.get(name) or getattr(math, name)
    expected = np.array([getattr(theirs, "py_func", theirs)(float(at)) for at in x])
    contestants = {
        "ours": over(OURS.get(name) or getattr(jit, name), x, expected),
        "the C library's": over(theirs, x, expected),
    }
    seconds = race(contestants, 1, 1e-14 if dtype == "float64" else 1e-6)
    if seconds is None:
        return
    figure(f"fastopt.jit.{name}, {dtype}, an element", seconds["ours"] / SIZE * 1e9, "ns")
    figure("  the C library over fastopt", seconds["the C library's"] / seconds["ours"], "×")
