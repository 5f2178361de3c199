"""comm=: several ranks step by the sum of their gradients, as one optimiser would that is given the sum."""

import numpy as np
import pytest
from on_ranks import adam, errors, gradients, parameters, results, summed, values
from ranks_in_threads import run

import fastopt
from fastopt.distributed import stretches

FLOAT64 = dict.fromkeys("Wbcs", np.float64)
STEPS = 5
# Of each kind of rule and option one: elementwise, per array by sums, all arrays by sums, what changes a step.
KINDS = {
    "adam": (fastopt.Adam, {}),
    "decayed and clipped": (fastopt.Adam, {"weight_decay": 0.1, "clip_value": 1.0, "clip_norm": 0.5}),
    "ascending": (fastopt.SGD, {"momentum": 0.9, "maximize": True}),
    "by sums of each": (fastopt.LAMB, {}),
    "by sums of all": (fastopt.Prodigy, {}),
    "cautious": (fastopt.Adam, {"cautious": True}),
    "averaged": (fastopt.ScheduleFreeAdamW, {}),
}


def own(t, rank, params):
    """Of two ranks in turn one lacks a gradient; in step 3 all lack that of W."""
    g = gradients(params, t, rank)
    if t in (1, 2) and rank != t:
        g["b"] = None
    return g | ({"W": None} if t == 3 else {})


def stepped(comm, make, options, packed, dtypes, ranks):
    params = parameters(dtypes)
    params = fastopt.pack(params) if packed else params
    opt = make(params, lr=0.05, comm=comm, **options)
    for t in range(STEPS):
        if comm is None:
            opt.step(summed([own(t, rank, params) for rank in range(ranks)]))
        else:
            opt.step(own(t, comm.Get_rank(), params))
    return values(params), opt.t, opt.counts


def check_like_one(kind, ranks, packed=False, dtypes=FLOAT64, rtol=1e-12):
    make, options = KINDS[kind]
    first, *others = results(ranks, stepped, make, options, packed, dtypes, ranks)
    params, t, counts = stepped(None, make, options, packed, dtypes, ranks)
    assert first[1:] == (t, counts)
    for name, p in params.items():
        np.testing.assert_allclose(first[0][name], p, rtol=rtol, atol=rtol)
        for other in others:
            assert np.array_equal(other[0][name], first[0][name])


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_step_as_one_that_is_given_the_sum(kind):
    check_like_one(kind, 3)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ranks", [2, 4])
def test_two_dtypes_packed_or_not(ranks, packed):
    check_like_one("adam", ranks, packed, {**FLOAT64, "W": np.float32}, rtol=1e-6)


@pytest.mark.parametrize("kind", ["adam", "by sums of each", "by sums of all"])
def test_more_ranks_than_elements_of_an_array(kind):
    check_like_one(kind, 7, packed=kind != "by sums of each")


def test_what_goes_over_the_wire_goes_in_rounds(monkeypatch):
    monkeypatch.setattr(stretches, "WIRE", 64)
    check_like_one("adam", 3)
    check_like_one("by sums of each", 2, dtypes={**FLOAT64, "W": np.float32}, rtol=1e-6)


def test_as_many_ranks_repeat_to_the_bit():
    make, options = KINDS["decayed and clipped"]
    runs = [results(3, stepped, make, options, False, FLOAT64, 3)[0][0] for _ in range(2)]
    assert all(np.array_equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_sums_are_taken_in_the_order_of_the_ranks():
    """1e16 + 1 − 1e16 is 0, in another order 1."""

    def script(comm):
        x = np.zeros(5)
        fastopt.SGD(x, lr=1.0, comm=comm).step(np.full(5, (1e16, 1.0, -1e16)[comm.Get_rank()]))
        return x

    for x in results(3, script):
        assert (x == 0.0).all()


def test_one_rank_is_none():
    def script(comm):
        opt = adam(comm)
        opt.step(gradients(opt.params, 0, 0))
        return values(opt.params), opt.state["m"]["W"].shape

    (found,), hub = run(1, script)
    assert found[1] == (5, 7)
    alone = adam(None)
    alone.step(gradients(alone.params, 0, 0))
    assert all(np.array_equal(found[0][name], p) for name, p in alone.params.items())
    assert hub.sent == [0]


# --- what is where, and what goes over the wire ----------------------------------------------------------------------


def test_each_rank_has_its_share_of_the_state():
    def script(comm):
        opt = adam(comm)
        return sum(m.size for m in opt.state["m"].values()), [m.ndim for m in opt.state["m"].values()]

    found = results(3, script)
    assert [size for size, _ in found] == [35 // 3 + 16 // 3, 35 * 2 // 3 - 35 // 3 + 5, 35 - 35 * 2 // 3 + 6]
    assert {n for _, ndims in found for n in ndims} == {1}


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bytes_of_a_ring(ranks):
    """2(n − 1)/n of the bytes of the parameters leave each rank, beside some 100 for each other that tell how it is."""
    n = 1 << 14

    def script(comm):
        x = np.zeros(n, np.float32)
        opt = fastopt.Adam(x, comm=comm)
        before = comm.hub.sent[comm.rank]
        opt.step(np.ones(n, np.float32))
        return comm.hub.sent[comm.rank] - before

    for sent in results(ranks, script):
        assert 0 <= sent - 2 * (ranks - 1) * 4 * n // ranks <= 100 * ranks


# --- what is not finite ----------------------------------------------------------------------------------------------


def not_finite(comm, check_finite, clip_norm=None):
    opt = adam(comm, check_finite=check_finite, clip_norm=clip_norm)
    before = values(opt.params)
    g = gradients(opt.params, 0, comm.Get_rank())
    if comm.Get_rank() == 1:
        g["c"][2, 1] = np.inf
    try:
        opt.step(g)
    finally:
        assert all(np.array_equal(before[name], p) for name, p in opt.params.items()) == bool(check_finite)
    return opt.t, opt.skipped


def test_a_gradient_that_is_not_finite_is_refused_on_all():
    said = "ValueError: grads must be finite, got NaN or Inf in grads['c'], summed over the ranks"
    assert errors(3, not_finite, True) == [said] * 3


def test_or_skipped_on_all():
    assert results(3, not_finite, "skip") == [(0, 1)] * 3


def test_or_let_through():
    assert results(3, not_finite, False) == [(1, 0)] * 3
    assert results(3, not_finite, False, 1.0) == [(1, 0)] * 3


def test_norms_beyond_the_range_of_float64():
    def script(comm):
        x = np.zeros(8)
        fastopt.SGD(x, lr=1.0, clip_norm=1.0, comm=comm).step(np.full(8, 1e200 if comm.Get_rank() else 0.0))
        return x

    for x in results(2, script):
        np.testing.assert_allclose(x, -np.full(8, 1 / np.sqrt(8)), rtol=1e-12)


def test_norms_of_ranks_in_other_units():
    """The squares of one rank's sums leave float64's range, those of the other's do not."""

    def script(comm):
        x = np.zeros(8)
        fastopt.SGD(x, lr=1.0, clip_norm=1.0, comm=comm).step(np.repeat([1e-130, 3.0], 4))
        return x

    for x in results(2, script):
        np.testing.assert_allclose(x, -np.repeat([1e-130 / 6, 0.5], 4), rtol=1e-6)
