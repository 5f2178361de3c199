"""Packed parameters: views over one buffer, the same bits as unpacked, gathered in one pass or by NumPy."""

import copy
import pickle

import numpy as np
import pytest

import fastopt
from fastopt import pack
from fastopt.kernels import gather
from fastopt.rules import ALL_RULES

each_rule = pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)


def draw(seed):
    rng = np.random.default_rng(seed)
    draw = rng.normal
    return {
        "W": draw(size=(4, 3)),
        "F": np.asfortranarray(draw(size=(3, 5))).astype("f4", order="K"),
        "empty": np.zeros((2, 0)),
        "s": np.asarray(draw()),
        "b": draw(size=7).astype("f4"),
    }


def listed(nest):
    return list(nest.values())


def bits(nest):
    return [a.tobytes() for a in nest.values()]


@pytest.fixture(params=["compiled", "turned off", "unknown interpreter"])
def route(request, monkeypatch):
    """Gathering by compiled code, and by NumPy."""
    gather.kernel.cache_clear()
    if request.param == "turned off":
        monkeypatch.setattr(gather, "ENABLED", False)
    if request.param == "unknown interpreter":
        monkeypatch.setattr(gather, "layout_is_known", lambda: False)
    yield request.param
    gather.kernel.cache_clear()


def test_views_over_one_aligned_buffer_per_dtype():
    given = draw(0)
    packed = pack(given)
    assert [b.dtype for b in packed.buffers] == ["f4", "f8"]
    assert [b.size for b in packed.buffers] == [22, 13]
    for name, a in given.items():
        assert packed[name].tobytes() == a.tobytes()
        assert packed[name].flags.f_contiguous == a.flags.f_contiguous
        assert not np.shares_memory(packed[name], a)
        assert not a.size or any(np.shares_memory(packed[name], buffer) for buffer in packed.buffers)
    assert all(b.ctypes.data % 64 == 0 and b.ndim == 1 for b in packed.buffers)
    assert list(packed) == list(given)
    assert len(packed) == 5
    assert dict(packed.items())["W"] is packed["W"]
    assert "W" in packed
    assert repr(packed).startswith("pack({'W'")


def test_sequences_and_nests():
    packed = pack([np.ones(2), (np.zeros(3), {"a": np.ones((1, 2), "f4")})])
    assert packed[1][1]["a"].dtype == "f4"
    assert packed[-2].tolist() == [1, 1]
    assert len(packed[1]) == 2
    assert [b.size for b in packed.buffers] == [2, 5]
    zeros = packed[1].zeros_like()  # of a part
    assert zeros[0].tolist() == [0, 0, 0]
    zeros = packed.zeros_like()
    assert zeros[0].tolist() == [0, 0]
    assert not np.shares_memory(zeros[0], packed[0])
    assert packed[0].tolist() == [1, 1]


def test_entries_are_assigned_in_place():
    grads = pack({"W": np.zeros((2, 2), order="F"), "b": np.zeros(2, "f4"), "s": np.zeros(())})
    view, buffers = grads["W"], grads.buffers
    grads["W"] = np.arange(4.0).reshape(2, 2)
    assert grads["W"] is view
    assert buffers[1].tolist() == [0, 2, 1, 3, 0]
    grads["W"] += 1
    grads["W"] *= np.array([1.0, 2.0])
    assert view.tolist() == [[1, 4], [3, 8]]
    grads["W"] = grads["W"].T  # overlapping, strided
    assert view.tolist() == [[1, 3], [4, 8]]
    grads["s"] += 2.0
    assert buffers[1][4] == 2
    grads["b"][:] = 3
    assert buffers[0].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("W", 1.0, TypeError),
        ("W", [[1.0, 1.0], [1.0, 1.0]], TypeError),
        ("W", np.ones((2, 2), int), TypeError),
        ("W", np.ones((2, 2), "f4"), TypeError),  # another dtype
        ("W", np.ones(2), ValueError),  # it could be broadcast, and that may be a mistake
        ("in", {"c": np.ones(1)}, TypeError),
        ("none", np.ones(1), KeyError),
    ],
)
def test_wrong_entries_are_refused(key, value, error):
    grads = pack({"W": np.zeros((2, 2)), "in": {"c": np.zeros(1)}})
    with pytest.raises(error, match=key) as caught:
        grads[key] = value
    assert "\n" not in str(caught.value)
    assert not grads.buffers[0].any()


def test_slices_are_not_assigned():
    grads = pack([np.zeros(2), np.zeros(2)])
    with pytest.raises(TypeError, match=r"slice|entry"):
        grads[:] = np.ones(2)


# ---------------------------------------------------------------- the same bits


@each_rule
def test_packed_is_unpacked_to_the_bit(rule, route):
    """But for rounding where sums are over all arrays."""
    plain, packed, fed = draw(0), pack(draw(0)), pack(draw(0))
    opts = [fastopt.Optimizer(p, rule) for p in (plain, packed, fed)]
    grads = fed.zeros_like()
    for seed in range(1, 5):
        for name, g in draw(seed).items():
            grads[name] = g
        for opt, g in zip(opts, (draw(seed), draw(seed), grads)):
            opt.step(g)
    assert plain["W"].tolist() != draw(0)["W"].tolist()
    if rule.across:
        for one in (packed, fed):
            for name, a in plain.items():
                np.testing.assert_allclose(one[name], a, rtol=1e-5 if a.dtype == np.float32 else 1e-10)
        return
    assert bits(plain) == bits(packed) == bits(fed)
    for slot in rule.state:
        assert bits(opts[0].state[slot]) == bits(opts[1].state[slot]) == bits(opts[2].state[slot])


@pytest.mark.parametrize("options", [{"maximize": True}, {"weight_decay": 0.1}, {"clip_value": 0.5}], ids=str)
def test_packed_is_unpacked_to_the_bit_with_options(options, route):
    plain, packed = draw(0), pack(draw(0))
    for p in (plain, packed):
        opt = fastopt.Adam(p, **options)
        for seed in range(1, 5):
            opt.step(draw(seed))
    assert bits(plain) == bits(packed)


def test_gradients_in_any_of_their_forms(route):
    """Fresh arrays, zeros_like(), another pack of the same layout, a pack of another order, a sequence of them."""
    found = []
    for form in (dict, lambda g: UserPack(g).filled(), pack, lambda g: pack(dict(reversed(g.items())))):
        packed = pack(draw(0))
        opt = fastopt.Adam(packed)
        for seed in range(1, 5):
            opt.step(form(draw(seed)))
        found.append(bits(packed))
    packed = pack(listed(draw(0)))
    opt = fastopt.Adam(packed)
    for seed, form in enumerate((list, tuple, pack, list), 1):
        opt.step(form(listed(draw(seed))))
    found.append([a.tobytes() for a in packed])
    assert all(one == found[0] for one in found)


class UserPack:
    """Gradients written into zeros_like(), as a loss does."""

    def __init__(self, arrays):
        self.arrays, self.zeros = arrays, pack(draw(0)).zeros_like()

    def filled(self):
        for name, a in self.arrays.items():
            self.zeros[name] += a
        return self.zeros


def test_both_routes_are_taken(route):
    packed = pack(draw(0))
    opt = fastopt.SGD(packed)
    opt.step(draw(1))
    compiled = opt._layout.gradients._table.examine is not None
    assert compiled == (route == "compiled" and gather.layout_is_known())


def test_many_small_arrays_and_fresh_gradients(route):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=rng.integers(0, 9, rng.integers(0, 4))) for _ in range(300)]
    packed = pack(arrays)
    opts = [fastopt.Adam(packed), fastopt.Adam(arrays)]
    for _ in range(3):
        gradients = [np.asarray(rng.normal(size=a.shape)) for a in arrays]
        for opt in opts:
            opt.step(gradients)
    assert [a.tobytes() for a in packed] == [a.tobytes() for a in arrays]


# ---------------------------------------------------------------- copies of packs


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["deep", "pickle"])
def test_a_copied_pack_is_a_pack(duplicate):
    """Its views must be views over its own buffers, or a step would be lost."""
    packed = pack(draw(0))
    again = duplicate(packed)
    opt = fastopt.SGD(again, lr=1.0)
    opt.step({name: a.copy(order="K") for name, a in again.items()})
    assert not any(a.any() for a in again.values())
    assert bits(packed) == bits(draw(0))
    grads = duplicate(packed.zeros_like())  # and so as gradients
    for name, a in packed.items():
        grads[name] += a
    fastopt.SGD(packed, lr=1.0).step(grads)
    assert not any(a.any() for a in packed.values())


def test_a_shallow_copy_is_its_own_pack_or_overlaps():
    packed = pack(draw(0))
    opt, again = fastopt.SGD(packed, lr=1.0), copy.copy(packed)
    shared = np.shares_memory(again["W"], packed["W"])
    for own in [packed, again] if shared else [packed]:
        with pytest.raises(ValueError, match="overlap"):
            opt.step(own)
    assert bits(packed) == bits(draw(0))
    assert opt.t == 0
    if not shared:
        opt.step(again)
        assert not any(a.any() for a in packed.values())
