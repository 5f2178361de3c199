"""The optimiser object: the structures it takes, what a step does to them, groups, schedules, what it shows."""

from collections import UserDict, namedtuple
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest
from reference import Reference

import fastopt
from fastopt import pack, schedules

Quad = namedtuple("Quad", "a b c d")
SHAPES = [((4, 3), "f8", "F"), ((7,), "f4", "C"), ((), "f8", "C"), ((0, 3), "f4", "C")]


def draw(seed):
    """Four arrays: in Fortran order, of float32, without a dimension, without an element."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype, order=order) for shape, dtype, order in SHAPES]


def read_only(arrays):
    for a in arrays:
        a.flags.writeable = False
    return arrays


def leaves(nest):
    if isinstance(nest, np.ndarray):
        return [nest]
    children = nest.values() if isinstance(nest, Mapping) else nest
    return [leaf for child in children for leaf in leaves(child)]


def alike(nest, other):
    """Whether two nests have the same structure."""
    if isinstance(nest, Mapping):
        return list(nest) == list(other) and all(alike(nest[key], other[key]) for key in nest)
    if isinstance(nest, Sequence):
        return isinstance(other, Sequence) and len(nest) == len(other) and all(map(alike, nest, other))
    return isinstance(other, np.ndarray) and nest.shape == other.shape and nest.dtype == other.dtype


def deep(a, b, c, d):
    nest = [a, b, c, d]
    for _ in range(60):
        nest = {"in": (nest,)}
    return nest


def grouped(build):
    return lambda *four: [{"params": part, "lr": 1e-3} for part in build(*four)]


NESTS = {
    "list": lambda *four: list(four),
    "tuple": lambda *four: four,
    "namedtuple": Quad,
    "dict": lambda *four: dict(zip("abcd", four)),
    "any keys": lambda a, b, c, d: {0: a, ("b", 1): b, None: c, "a key": d},
    "nested": lambda a, b, c, d: {"x": [a, {"y": (b, Quad(c, d, [], {}))}]},
    "deep": deep,
    "other mappings": lambda a, b, c, d: UserDict(x=MappingProxyType({"a": a, "b": b}), y=UserDict(c=c, d=d)),
}
# How parameters are held, and what their gradients look like.
STRUCTURES = {name: (build, build) for name, build in NESTS.items()}
STRUCTURES |= {
    f"packed {name}": (lambda *four, build=build: pack(build(*four)), build)
    for name, build in NESTS.items()
    if name != "other mappings"
}
STRUCTURES |= {
    "groups": (grouped(NESTS["list"]), NESTS["list"]),
    "groups of nests": (
        grouped(lambda a, b, c, d: ({"a": a, "b": [b]}, (c, d))),
        lambda a, b, c, d: [{"a": a, "b": [b]}, (c, d)],
    ),
    "groups with packs": (
        grouped(lambda a, b, c, d: (pack({"a": a, "b": b}), c, pack([d]))),
        lambda a, b, c, d: [{"a": a, "b": b}, c, [d]],
    ),
    "groups with packed gradients": (
        grouped(lambda a, b, c, d: (pack({"a": a, "b": b}), pack([c, d]))),
        lambda a, b, c, d: [pack({"a": a, "b": b}), pack([c, d])],
    ),
}
each_structure = pytest.mark.parametrize("name", STRUCTURES)


def singles(arrays, make=fastopt.Adam, **hyper):
    return [make(a, **hyper) for a in arrays]


@each_structure
def test_every_structure_is_stepped_like_its_arrays_one_by_one(name):
    hold, nest = STRUCTURES[name]
    params = hold(*draw(0))
    opt, alone = fastopt.Adam(params), singles(draw(0))
    for seed in range(1, 6):
        gradients = read_only(draw(seed))
        assert opt.step(nest(*gradients)) is None
        for one, g, unchanged in zip(alone, gradients, draw(seed)):
            one.step(g)
            assert g.tobytes() == unchanged.tobytes()
    assert opt.t == 5
    found = zip(leaves(opt.params), leaves(opt.state["m"]), leaves(opt.state["v"]), alone, strict=True)
    for p, m, v, one in found:
        assert p.tobytes() == one.params.tobytes()
        assert m.tobytes() == one.state["m"].tobytes()
        assert v.tobytes() == one.state["v"].tobytes()


@each_structure
def test_state_is_nested_like_the_parameters(name):
    hold, nest = STRUCTURES[name]
    params = hold(*draw(0))
    opt = fastopt.Adam(params)
    assert (opt.params is params) == (name.startswith("packed") or isinstance(params, np.ndarray))
    assert alike(nest(*draw(0)), opt.params)
    assert list(opt.state) == ["m", "v"]
    assert alike(opt.params, opt.state["m"])
    assert alike(opt.params, opt.state["v"])
    if name == "namedtuple":
        assert opt.state["m"].b.shape == (7,)
    kept = leaves(opt.state["m"])
    opt.step(nest(*draw(1)))
    assert all(a is b for a, b in zip(kept, leaves(opt.state["m"])))  # the same arrays, in place
    assert all(m.any() for m in kept if m.size)
    with pytest.raises(TypeError):
        opt.state["m"] = opt.state["v"]


@pytest.mark.parametrize("absent", [[0], [1, 2], [0, 1, 3]])
@each_structure
def test_none_leaves_an_array_out(name, absent):
    if name == "groups with packed gradients":
        pytest.skip("a pack has no None")
    hold, nest = STRUCTURES[name]
    opt, ref = fastopt.Momentum(hold(*draw(0)), dampening=0.25), Reference("momentum", draw(0), dampening=0.25)
    for seed in range(1, 6):
        gradients = [None if seed % 2 and i in absent else g for i, g in enumerate(draw(seed))]
        before = [a.tobytes() for i in absent for a in (leaves(opt.params)[i], leaves(opt.state["b"])[i])]
        opt.step(nest(*gradients))
        ref.step(gradients)
        if seed % 2:
            assert before == [a.tobytes() for i in absent for a in (leaves(opt.params)[i], leaves(opt.state["b"])[i])]
    assert opt.t == 5
    for p, b, expected, expected_b in zip(leaves(opt.params), leaves(opt.state["b"]), ref.params, ref.state["b"]):
        np.testing.assert_allclose(p, expected, rtol=1e-5 if p.dtype == "f4" else 1e-13)
        np.testing.assert_allclose(b, expected_b, rtol=1e-5 if p.dtype == "f4" else 1e-13)


@each_structure
def test_without_any_gradient_there_is_no_step(name):
    hold, nest = STRUCTURES[name]
    opt = fastopt.Adam(hold(*draw(0)), lr=pytest.fail)  # no schedule is asked
    if name != "groups with packed gradients":
        opt.step(nest(None, None, None, None))
    assert opt.t == 0
    assert [a.tobytes() for a in leaves(opt.params)] == [a.tobytes() for a in draw(0)]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (1, 4), (4, 1), (2, 3, 4), (0,), (3, 0)])
def test_single_arrays(shape, dtype, order):
    rng = np.random.default_rng(3)
    x, *gradients = (np.asarray(rng.normal(size=shape), dtype, order=order) for _ in range(4))
    opt, ref = fastopt.NAdam(x), Reference("nadam", [x])
    for g in gradients:
        opt.step(g)
        ref.step([g])
    assert opt.params is x
    np.testing.assert_allclose(x, ref.params[0], rtol=1e-5 if dtype == "f4" else 1e-12)
    for slot in ("m", "v"):
        assert opt.state[slot].flags.c_contiguous == x.flags.c_contiguous
        np.testing.assert_allclose(opt.state[slot], ref.state[slot][0], rtol=1e-5 if dtype == "f4" else 1e-12)
    opt.step(None)
    assert opt.t == 3


def test_numpy_scalars_are_gradients_of_arrays_without_dimension():
    for params, gradient in ((np.array(1.0), 2 * np.array(1.0)), ([np.array(1.0)], [np.float64(2.0)])):
        assert isinstance(leaves(params)[0], np.ndarray)
        opt = fastopt.SGD(params, lr=0.25)
        opt.step(gradient)
        assert leaves(params)[0] == 0.5
    packed = pack({"x": np.array(1.0)})
    fastopt.SGD(packed, lr=0.25).step({"x": np.float64(2.0)})
    assert packed["x"] == 0.5


def test_parameters_in_a_file(tmp_path):
    x = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3, 4))
    x[...] = 1.0
    opt, listed = fastopt.SGD(x, lr=0.5), fastopt.SGD([x], lr=0.5)
    opt.step(np.ones((3, 4)))
    listed.step([x * 0 + 1])  # a memmap as gradient
    x.flush()
    assert (np.fromfile(tmp_path / "x") == 0.0).all()


# ---------------------------------------------------------------- groups


def test_groups_have_their_own_numbers():
    own = [{"lr": 1e-1, "betas": (0.5, 0.75)}, {"weight_decay": 0.1}, {"eps": 1e-2, "bias_correction": False}, {}]
    opt = fastopt.Adam([{"params": a, **mine} for a, mine in zip(draw(0), own)], lr=1e-2, weight_decay=0.01)
    alone = [fastopt.Adam(a, **{"lr": 1e-2, "weight_decay": 0.01, **mine}) for a, mine in zip(draw(0), own)]
    for seed in range(1, 5):
        opt.step(draw(seed))
        for one, g in zip(alone, draw(seed)):
            one.step(g)
    for p, one in zip(opt.params, alone):
        assert p.tobytes() == one.params.tobytes()
    assert "4 groups" in repr(opt)


def test_groups_of_decoupled_decay_and_of_initial_state():
    two = np.ones(2), np.ones(2)
    opt = fastopt.AdamW([{"params": two[0], "weight_decay": 0.5}, {"params": two[1]}], lr=0.1, weight_decay=0.0)
    opt.step([np.zeros(2), np.zeros(2)])
    assert (two[0] == 1 - 0.1 * 0.5).all()
    assert (two[1] == 1).all()
    opt = fastopt.Adagrad([{"params": two[0], "initial_accumulator_value": 4.0}, {"params": two[1]}])
    assert (opt.state["s"][0] == 4).all()
    assert (opt.state["s"][1] == 0).all()


def test_a_sequence_of_mappings_without_params_is_no_list_of_groups():
    opt = fastopt.SGD([{"w": np.ones(2)}, {"w": np.ones(2)}], lr=1.0)
    opt.step([{"w": np.ones(2)}, {"w": None}])
    assert leaves(opt.params)[0].tolist() == [0, 0]
    assert leaves(opt.params)[1].tolist() == [1, 1]


def test_keys_may_come_in_any_order():
    a, b, c, d = draw(0)
    fastopt.SGD({"a": a, "b": b}, lr=1.0).step({"b": b.copy(), "a": a.copy(order="K")})
    fastopt.SGD({"x": {"c": c, "d": d}}, lr=1.0).step({"x": {"d": d.copy(), "c": c.copy()}})
    assert not any(leaf.any() for leaf in (a, b, c, d))


def test_repr():
    opt = fastopt.Adam({"W": np.ones((2, 3)), "b": np.ones(1)}, lr=schedules.cosine(0.1, 50))
    opt.step({"W": np.ones((2, 3)), "b": np.ones(1)})
    for part in ("Adam", "cosine(0.1, 50)", "betas=(0.9, 0.999)", "2 arrays", "7 parameters", "t=1"):
        assert part in repr(opt)
    assert "1 array, 1 parameter," in repr(fastopt.SGD(np.ones(1)))
