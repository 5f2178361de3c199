"""``clip_norm`` from one end of the range to the other: ``jit.clip_norm`` and the option, to the bit."""

import math

import numpy as np
import pytest
from stepping import bits

import fastopt
from fastopt import jit

MOST = (1.0, 1e-3, 1e10, 1e-30)
each_dtype = pytest.mark.parametrize("dtype", ["f4", "f8"])


def gradients(dtype):
    """From subnormal numbers to the largest."""
    rng, facts = np.random.default_rng(9), np.finfo(dtype)
    tiny, most = float(facts.tiny), float(facts.max)
    for g in ([tiny / 8, tiny / 3], [most / 4] * 3, [most, -most], [np.inf, 1.0], [np.nan, 1.0], [], [0.0] * 3):
        yield np.array(g, dtype)
    for size in 10.0 ** rng.uniform(math.log10(tiny) - 3, math.log10(most) - 1, 40):
        yield (rng.normal(size=rng.integers(1, 70)) * size).astype(dtype)


@each_dtype
def test_the_function_and_the_option_agree_to_the_bit(dtype):
    for g in gradients(dtype):
        for most in MOST:
            a, b, clipped = np.zeros_like(g), np.zeros_like(g), g.copy()
            fastopt.SGD(a, lr=1.0, clip_norm=most).step(g)
            jit.clip_norm(clipped, most)
            fastopt.SGD(b, lr=1.0).step(clipped)
            assert bits(a) == bits(b), (g, most)


@each_dtype
def test_large_gradients_are_scaled_and_not_lost(dtype):
    """Also where the scale is no number of the dtype."""
    for size in (1e30, 1e36, 1e38) if dtype == "f4" else (1e30, 1e300, 1e306):
        for most in (1.0, 1e-3):
            p, clipped = np.zeros(4, dtype), np.full(4, size, dtype)
            fastopt.SGD(p, lr=1.0, clip_norm=most).step(clipped)
            assert np.allclose(p, -most / 2, rtol=1e-6)
            assert jit.clip_norm(clipped, most) == pytest.approx(2 * size)
            assert np.allclose(clipped, most / 2, rtol=1e-6)


def test_several_arrays_are_clipped_as_one():
    g = [np.full(2, 1e38, "f4"), np.full(3, 1e38, "f4")]
    one, many = np.zeros(5, "f4"), [np.zeros(2, "f4"), np.zeros(3, "f4")]
    fastopt.SGD(one, lr=1.0, clip_norm=1.0).step(np.concatenate(g))
    fastopt.SGD(many, lr=1.0, clip_norm=1.0).step(g)
    assert one.tobytes() == np.concatenate(many).tobytes()
    assert np.allclose(one, -(0.2**0.5), rtol=1e-6)
