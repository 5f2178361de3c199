"""What every optimiser takes besides its rule's numbers: clipping, finite checks, threads, schedules, decay."""

import math
from itertools import product

import numba
import numpy as np
import pytest
from reference import Reference

import fastopt
from fastopt import pack
from fastopt.kernels import cpu
from fastopt.kernels import norms as reduce

MOST = numba.config.NUMBA_NUM_THREADS
SHAPES = [((40, 3), "f8"), ((70,), "f4"), ((), "f8"), ((0,), "f4"), ((2, 3, 4), "f4")]


def draw(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [np.asarray(scale * rng.normal(size=shape), dtype) for shape, dtype in SHAPES]


def groups_of(arrays):
    return [{"params": arrays[:2]}, {"params": pack(arrays[2:])}]


HELD = {
    "list": (list, lambda p: p, list),
    "packed": (pack, list, list),
    "packed gradients": (pack, list, pack),
    "groups": (groups_of, lambda p: [*p[0]["params"], *p[1]["params"]], lambda g: [g[:2], g[2:]]),
}
each_way = pytest.mark.parametrize("way", HELD)


def close(arrays, expected):
    for a, b in zip(arrays, expected, strict=True):
        single = a.dtype == "f4"
        np.testing.assert_allclose(a, b, rtol=1e-5 if single else 1e-12, atol=1e-6 if single else 0)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_norm": 0.5},
        {"clip_norm": 1e9},
        {"clip_norm": 2, "clip_value": 0.25},
        {"clip_value": 0.7, "maximize": True},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "maximize": True, "clip_norm": 1.5, "clip_value": 3.0, "check_finite": True},
    ],
    ids=str,
)
@each_way
def test_options_follow_the_reference(way, options):
    hold, leaves, form = HELD[way]
    params = hold(draw(0))
    opt = fastopt.Adam(params, lr=0.01, **options)
    ref = Reference("adam", draw(0), lr=0.01, **{k: v for k, v in options.items() if k != "check_finite"})
    for seed in range(1, 11):
        gradients = draw(seed, 10.0 ** (seed % 3 - 1))
        opt.step(form(gradients))
        ref.step(gradients)
    close(leaves(params), ref.params)


def test_the_clipped_norm_is_that_of_all_gradients_together():
    x, y, z = np.zeros(1), np.zeros(1, "f4"), np.zeros(1)
    opt = fastopt.GD([{"params": x}, {"params": {"y": y}}, {"params": z}], lr=1.0, clip_norm=1.0)
    opt.step([np.array([3.0]), {"y": np.array([-4.0], "f4")}, None])
    assert x[0] == pytest.approx(-3 / (5 + 1e-6), rel=1e-15)
    assert y[0] == pytest.approx(4 / (5 + 1e-6), rel=1e-7)
    opt.step([np.array([0.3]), {"y": np.array([0.4], "f4")}, None])  # short ones stay as they are
    assert x[0] == pytest.approx(-3 / (5 + 1e-6) - 0.3, rel=1e-15)
    assert z[0] == 0


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [100, 2**18 + 1001])
def test_the_norm_is_the_same_at_any_number_of_threads(size, dtype):
    rng = np.random.default_rng(1)
    p, g = rng.normal(size=size).astype(dtype), rng.normal(size=size).astype(dtype)
    found = set()
    for threads, parallel in [(None, None), *product(range(1, MOST + 1), [None, False])]:
        x = p.copy()
        opt = fastopt.SGD(x, lr=0.1, clip_norm=0.1, clip_value=2.0, threads=threads, parallel=parallel)
        opt.step(g)
        found.add(x.tobytes())
    assert len(found) == 1
    packs = []
    for order in ([0, 1, 2], [2, 0, 1]):
        arrays = [p[:10].copy(), p[10:50].copy(), p[50:].copy()]
        gradients = [g[:10].copy(), g[10:50].copy(), g[50:].copy()]
        params = pack([arrays[i] for i in order])
        fastopt.SGD(params, lr=0.1, clip_norm=0.1, clip_value=2.0).step([gradients[i] for i in order])
        packs.append(np.concatenate([params[order.index(i)] for i in range(3)]))
    np.testing.assert_allclose(packs[1], packs[0], rtol=1e-6 if dtype == "f4" else 1e-14)
    np.testing.assert_allclose(packs[0], np.frombuffer(found.pop(), dtype), rtol=1e-6 if dtype == "f4" else 1e-14)


def norm(*arrays, bound=math.inf):
    root, unit = reduce.norm(arrays, reduce.workspace(max(a.size for a in arrays)), bound)
    return root / unit


@pytest.mark.parametrize(
    "value", [1e-300, 1e-200, 1e-160, 1e-125, 1e-100, 1.0, 1e125, 1e150, 1e155, 1e200, 1e300, 5e307]
)
def test_norms_that_leave_the_range_of_squares(value):
    g = value * (np.array([3.0, 0.0, -4.0] * 40) / 40)
    assert norm(g) == pytest.approx(value * (math.sqrt(40) * 5 / 40), rel=1e-14, abs=0)
    assert norm(g[:60].copy(), np.zeros(0), g[60:].copy()) == pytest.approx(norm(g), rel=1e-14, abs=0)
    assert norm(g, np.full(3, value, "f4") if 1e-30 < value < 1e30 else np.zeros(1, "f4")) >= norm(g)


def test_norms_of_numbers_that_are_none():
    assert norm(np.zeros(5)) == 0
    assert norm(np.zeros(0)) == 0
    assert norm(np.array([1e300, np.inf])) == math.inf
    assert math.isnan(norm(np.array([1e-300, np.nan])))
    assert math.isnan(norm(np.array([np.inf, np.nan, 1.0])))
    assert norm(np.array([np.inf, -9.0]), bound=3.0) == pytest.approx(math.sqrt(18))
    assert 0 <= norm(np.array([5e-324, 1e-310])) <= 1.0001e-310  # subnormal numbers may count as zero
    assert norm(np.full(4, 1e30, "f4")) == pytest.approx(2e30, rel=1e-7)


def test_clipping_where_the_norm_is_no_number():
    largest = np.finfo(float).max
    g = np.array([largest, -largest, largest, 0.0])
    p = np.zeros(4)
    fastopt.SGD(p, lr=1.0, clip_norm=1.5).step(g)
    np.testing.assert_allclose(p, 1.5 / math.sqrt(3) * np.array([-1.0, 1.0, -1.0, 0.0]), rtol=1e-14)
    options = {"lr": 1.0, "clip_norm": 1.5, "maxiter": 1}
    res = fastopt.minimize(lambda x: x[0], np.zeros(4), method="sgd", jac=lambda x: g, options=options)
    assert res.x.tobytes() == p.tobytes()


def test_clipping_leaves_subnormal_gradients_alone():
    x, y = np.full(3, 1e-300), np.full(3, 1e-300)
    for p, options in ((x, {}), (y, {"clip_norm": 1.0})):
        fastopt.GD(p, lr=1e10, **options).step(np.full(3, 3e-308))
    assert x.tobytes() == y.tobytes()


@pytest.mark.parametrize(("value", "dtype"), [(1e300, "f8"), (1e307, "f8"), (1e37, "f4")])
def test_huge_gradients_are_clipped_not_lost(value, dtype):
    x = np.zeros(2, dtype)
    fastopt.GD(x, lr=1.0, clip_norm=1.0).step(np.array([value, 0], dtype))
    assert x[0] == pytest.approx(-1.0, rel=1e-6)
    assert x[1] == 0


def test_a_clip_that_does_not_bite_changes_nothing_of_an_infinite_parameter():
    x = np.array([np.inf, 1.0])
    fastopt.GD(x, lr=1.0, clip_value=100.0).step(np.ones(2))
    assert x.tolist() == [np.inf, 0.0]


# ---------------------------------------------------------------- finite checks


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@each_way
def test_a_gradient_that_is_not_finite(way, bad):
    hold, _, form = HELD[way]
    where = {"groups": "grads[1][2]"}.get(way, "grads[4]")
    for options in ({}, {"clip_norm": 1.0, "clip_value": 1.0}):
        refusing = fastopt.Adam(hold(draw(0)), check_finite=True, **options)
        skipping = fastopt.Adam(hold(draw(0)), check_finite="skip", **options)
        clean = fastopt.Adam(hold(draw(0)), **options)
        for seed in range(1, 6):
            gradients = draw(seed)
            if seed in (1, 4):
                gradients[4][-1, -1, -1] = bad
                before = [a.tobytes() for a in refusing._layout.leaves]
                with pytest.raises(ValueError, match="finite") as caught:
                    refusing.step(form(gradients))
                assert where in str(caught.value)
                assert before == [a.tobytes() for a in refusing._layout.leaves]
            else:
                refusing.step(form(gradients))
                clean.step(form(gradients))
            skipping.step(form(gradients))
        assert (refusing.t, refusing.skipped) == (3, 0)
        assert (skipping.t, skipping.skipped) == (3, 2)
        for a, b, c in zip(refusing._layout.leaves, skipping._layout.leaves, clean._layout.leaves):
            assert a.tobytes() == b.tobytes() == c.tobytes()


def test_by_default_nan_propagates_and_stays_where_it_is():
    x = np.ones(50)
    g = np.ones(50)
    g[7] = np.nan
    opt = fastopt.Adam(x)
    opt.step(g)
    assert np.flatnonzero(np.isnan(x)).tolist() == [7]
    assert opt.t == 1


@pytest.mark.parametrize("check", [True, "skip"])
@pytest.mark.parametrize("value", [1.7e308, 1e200, 5e-324])
def test_extreme_but_finite_gradients_pass_the_check(value, check):
    x = np.ones(4)
    opt = fastopt.Adam(x, check_finite=check)
    opt.step(np.full(4, value))
    assert (opt.t, opt.skipped) == (1, 0)


def test_numpy_numbers_are_numbers():
    x = np.ones(2)
    opt = fastopt.SGD(x, lr=np.float32(0.5), weight_decay=np.int64(0), clip_norm=np.float32(9), threads=np.int64(1))
    opt.step(np.ones(2))
    assert x.tolist() == [0.5, 0.5]


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("size", [1, 31, 1000, 70_001])
@pytest.mark.parametrize("options", [{}, {"maximize": True, "weight_decay": 0.1}], ids=["plain", "staged"])
def test_any_number_of_threads_gives_the_same_bits(size, options):
    rng = np.random.default_rng(2)
    gradients = rng.normal(size=(3, size))
    found = set()
    for threads, parallel in product([None, *range(1, MOST + 1)], [None, True, False]):
        if parallel and threads == 1:
            continue  # refused, as it contradicts itself
        x = np.linspace(-1, 1, size)
        opt = fastopt.Adam(x, threads=threads, parallel=parallel, device="cpu", **options)
        for g in gradients:
            opt.step(g)
        found.add(x.tobytes() + opt.state["v"].tobytes())
    assert len(found) == 1
    assert numba.get_num_threads() == MOST


@pytest.mark.skipif(MOST < 2, reason="needs two threads")
def test_the_number_of_threads_is_left_as_it_was():
    numba.set_num_threads(1)
    try:
        x = np.ones(100_000)
        fastopt.Adam(x, threads=2, parallel=True, clip_norm=1.0).step(np.ones(100_000))
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(MOST)


def test_one_thread_launches_none(monkeypatch):
    for module in (cpu, reduce):
        monkeypatch.setattr(module, "in_threads", pytest.fail)
    x = np.ones(300_000)
    fastopt.Adam(x, threads=1, clip_norm=1.0).step(np.ones(300_000))
    fastopt.Adam(x, parallel=False).step(np.ones(300_000))
