"""The compiled pass over a list of gradients: what it accepts and refuses, what it copies, and its other way."""

import ctypes

import numpy as np
import pytest

import fastopt
from fastopt.kernels import gather

GUARD = 64  # elements that nobody may write, before and after a buffer


def addresses(a):
    return (a.ctypes.data, a.ctypes.data + a.nbytes)


class Expected:
    """A table for parameters, with a buffer between guards that gradients are copied into."""

    def __init__(self, params, spans=()):
        self.params = params
        self.guarded = {dtype: self.zone(dtype) for dtype in {p.dtype for p in params}}
        filled, targets = dict.fromkeys(self.guarded, GUARD), []
        for p in params:
            targets.append(self.guarded[p.dtype][filled[p.dtype] :].ctypes.data)
            filled[p.dtype] += p.size
        spans = [*spans, *(addresses(p) for p in params if p.size)]
        self.table = gather.Table(params, targets, sorted(spans))

    def zone(self, dtype):
        return np.full(sum(p.size for p in self.params if p.dtype == dtype) + 2 * GUARD, -7.0, dtype)

    def accepts(self, gradients):
        return self.table.accepts(gradients)

    def check_copied(self, gradients):
        """The buffers hold the gradients in memory order, and what is around them is untouched."""
        for dtype, found in self.guarded.items():
            flat = [g.ravel(order="K") for g in gradients if g.dtype == dtype]
            np.testing.assert_array_equal(found[GUARD:-GUARD], np.concatenate(flat))
            assert np.all(found[:GUARD] == -7.0)
            assert np.all(found[-GUARD:] == -7.0)


def like(params, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=p.shape), p.dtype, order=order(p)) for p in params]


def order(p):
    return "C" if p.flags.c_contiguous else "F"


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    return raw[1:].view(a.dtype).reshape(a.shape)


class Subclass(np.ndarray):
    pass


PARAMS = [np.zeros(5), np.zeros((2, 3), np.float32), np.zeros((3, 4), order="F")]


def test_the_layout_of_this_interpreter_is_known():
    assert gather.layout_is_known()
    assert gather.kernel() is not None


@pytest.mark.parametrize(
    "params",
    [
        PARAMS,
        [np.zeros(())],
        [np.zeros(()), np.zeros((), np.float32), np.zeros(1)],
        [np.zeros(0), np.zeros(3), np.zeros((2, 0, 3)), np.zeros((0,), np.float32)],
        [np.zeros((2, 3, 4), order="F"), np.zeros((1, 5), np.float32), np.zeros((5, 1), order="F")],
        [np.zeros((1, 2) * 8 + (3,))],
        [np.zeros(k % 7, (np.float32, np.float64)[k % 2]) for k in range(3000)],
    ],
    ids=["mixed", "0-d", "0-d and more", "empty", "orders", "17-d", "3000 arrays"],
)
def test_gradients_that_fit_are_copied_and_nothing_else_is_written(params):
    expected = Expected(params)
    for seed in range(2):
        gradients = like(params, seed)
        assert expected.accepts(gradients)
        expected.check_copied(gradients)
    for g in gradients:
        g.flags.writeable = False
    assert expected.accepts(gradients)
    expected.check_copied(gradients)
    assert not any(p.any() for p in params)


def test_no_target_means_no_copy():
    params = [np.zeros(3), np.zeros(4)]
    buffer = np.full(10, -7.0)
    table = gather.Table(params, [0, buffer[2:].ctypes.data], [])
    assert table.accepts([np.ones(3), np.arange(4.0)])
    np.testing.assert_array_equal(buffer, [-7, -7, 0, 1, 2, 3, -7, -7, -7, -7])


def test_the_empty_list():
    assert gather.Table([], [], []).accepts([])
    assert not gather.Table([], [], []).accepts([np.zeros(3)])


WRONG = {  # what stands in the place of an array of shape (3, 4), float64, Fortran order
    "None": None,
    "int": 7,
    "small int": 0,
    "huge int": 1 << 70,
    "float": 1.5,
    "str": "gradient",
    "empty bytes": b"",
    "list": [[0.0] * 4] * 3,
    "empty tuple": (),
    "dict": {},
    "object": object(),
    "type": np.ndarray,
    "function": like,
    "scalar": np.float64(1.0),
    "dtype": np.dtype(np.float64),
    "memoryview": memoryview(np.zeros((3, 4))),
    "ctypes array": (ctypes.c_double * 12)(),
    "subclass": np.zeros((3, 4), order="F").view(Subclass),
    "masked array": np.ma.zeros((3, 4), order="F"),
    "matrix of records": np.zeros((3, 4), np.dtype([("x", np.float64)]), order="F"),
    "float32": np.zeros((3, 4), np.float32, order="F"),
    "int64": np.zeros((3, 4), np.int64, order="F"),
    "complex": np.zeros((3, 4), complex, order="F"),
    "objects": np.zeros((3, 4), object, order="F"),
    "byte order": np.zeros((3, 4), np.dtype(np.float64).newbyteorder("S"), order="F"),
    "0-d": np.zeros(()),
    "1-d": np.zeros(12),
    "3-d": np.zeros((3, 4, 1), order="F"),
    "shorter": np.zeros((3, 3), order="F"),
    "longer": np.zeros((3, 5), order="F"),
    "transposed": np.zeros((4, 3), order="F"),
    "empty": np.zeros((3, 0), order="F"),
    "C order": np.zeros((3, 4)),
    "strided": np.zeros((6, 4), order="F")[::2],
    "reversed": np.zeros((3, 4), order="F")[::-1],
    "broadcast": np.broadcast_to(np.zeros(4), (3, 4)),
    "misaligned": misaligned(np.zeros((4, 3))).T,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_does_not_fit_is_refused(wrong, place):
    params = [np.zeros((3, 4), order="F") for _ in range(3)]
    expected = Expected(params)
    gradients = like(params)
    assert expected.accepts(gradients)
    gradients[place] = wrong
    assert not expected.accepts(gradients)
    for zone in expected.guarded.values():
        assert np.all(zone[:GUARD] == -7.0)
        assert np.all(zone[-GUARD:] == -7.0)


@pytest.mark.parametrize("change", [-3, -1, 1, 2, 1000])
def test_lists_of_another_length_are_refused(change):
    expected = Expected(PARAMS)
    gradients = like(PARAMS)
    gradients = gradients[:change] if change < 0 else gradients + gradients[:1] * change
    assert not expected.accepts(gradients)
    assert expected.accepts(like(PARAMS))


def test_memory_of_the_optimiser_is_refused_to_the_element():
    base, used = np.zeros(50), [(6, 12), (24, 30), (30, 31), (40, 50)]
    table = gather.Table([np.zeros(4)], [0], [addresses(base[i:j]) for i, j in used])
    for start in range(47):
        overlaps = any(start < j and i < start + 4 for i, j in used)
        assert table.accepts([base[start : start + 4]]) is not overlaps, start
    assert table.accepts([np.ones(4)])


def test_an_empty_gradient_overlaps_nothing():
    base = np.zeros(10)
    assert gather.Table([np.zeros(0)], [0], [addresses(base)]).accepts([base[5:6][:0]])


def test_one_float_into_the_next_byte():
    base = np.zeros(10, np.float32)
    span = addresses(base[4:8])
    for start, end, overlaps in [(0, 4, False), (1, 5, True), (7, 10, True), (8, 10, False), (0, 10, True)]:
        table = gather.Table([np.zeros(end - start, np.float32)], [0], [span])
        assert table.accepts([base[start:end]]) is not overlaps


# --- through the optimiser -----------------------------------------------------------------------------------------


@pytest.fixture(params=["compiled", "NumPy", "unknown layout"])
def way(request, monkeypatch):
    """Both ways of checking and gathering, and an interpreter that keeps its arrays differently."""
    if request.param == "NumPy":
        monkeypatch.setattr(gather, "ENABLED", False)
    if request.param == "unknown layout":
        monkeypatch.setattr(gather, "DATA", gather.DATA + 8)
        assert not gather.layout_is_known()
    gather.kernel.cache_clear()
    yield request.param
    gather.kernel.cache_clear()


def as_list(arrays):
    return list(arrays)


def as_dict(arrays):
    return {f"w{k}": a for k, a in enumerate(arrays)}


def as_nest(arrays):
    return {"first": arrays[0], "rest": [list(arrays[1:-1]), (arrays[-1],)]}


@pytest.mark.parametrize("pack", [fastopt.pack, lambda nest: nest], ids=["packed", "separate"])
@pytest.mark.parametrize("form", [as_list, tuple, as_dict, as_nest])
def test_every_form_of_gradients_steps_alike(way, form, pack):
    assert (gather.kernel() is None) == (way != "compiled")
    starts = [np.full((2, 3), 1.0), np.full(5, 2.0, np.float32), np.full((2, 2), 3.0, order="F"), np.array(4.0)]
    params = pack(form([s.copy(order="K") for s in starts]))
    opt = fastopt.SGD(params, lr=0.5)
    rounds = [like(starts, seed) for seed in range(4)]
    rounds[2][1] = None
    for gradients in rounds:
        opt.step(form(gradients))
    for k, (start, found) in enumerate(zip(starts, opt._layout.leaves)):
        for gradients in rounds:
            start = start if gradients[k] is None else start - start.dtype.type(0.5) * gradients[k]
        np.testing.assert_array_equal(found, start)


def test_gradients_that_only_numpy_knows_step_too(way, tmp_path):
    """A dtype object of its own, a memory map: refused by the pass, fine for NumPy."""
    params = fastopt.pack([np.zeros(4), np.zeros(3)])
    own = np.dtype(np.float64, metadata={"unit": "m"})
    mapped = np.memmap(tmp_path / "g", np.float64, "w+", shape=3)
    mapped[:] = 2.0
    fastopt.SGD(params, lr=1.0).step([np.ones(4).astype(own), mapped])
    np.testing.assert_array_equal(params.buffers[0], [-1, -1, -1, -1, -2, -2, -2])
