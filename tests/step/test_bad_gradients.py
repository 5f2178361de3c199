"""Gradients that do not fit, on every way into a kernel: refused in one line that names them, nothing changed."""

import numpy as np
import pytest
from refusals import WRONG_GRADIENT, cases, refuse

import fastopt
from fastopt import pack
from fastopt.kernels import gather


class Way:
    """An optimiser, the parameter whose gradient is wrong (W), where that gradient goes, and its name."""

    def __init__(self, shape, hold, form, name, options, order="C"):
        size = int(np.prod(shape))
        self.base = np.random.default_rng(0).normal(size=3 * size)
        self.W = self.base[size : 2 * size].reshape(shape, order=order)
        self.V = np.random.default_rng(1).normal(size=shape)
        self.opt = fastopt.AMSGrad(hold(self.W, self.V), **options)
        self.form, self.name = form, name
        index = 0 if self.opt.params is self.W else 1
        self.W = self.opt._layout.leaves[index]
        self.V = self.opt._layout.leaves[0]
        self.state = [self.opt._layout.state_leaves(slot)[index] for slot in self.opt.rule.state]
        self.others = [self.opt._layout.state_leaves(slot)[0] for slot in self.opt.rule.state]

    def step(self, g):
        self.opt.step(self.form(g, np.ones(self.V.shape)))

    def beside(self, step):
        """An array of W's shape that begins this many elements after it."""
        packed = hasattr(self.opt.params, "buffers")  # V, then W, and nothing behind it
        stretch, start = (self.opt.params.buffers[0], -abs(step)) if packed else (self.base, step)
        start += self.W.size
        return stretch[start : start + self.W.size].reshape(self.W.shape)


WAYS = {  # how parameters are held, how gradients are given, the name of the wrong one, options
    "single": (lambda W, V: W, lambda w, v: w, "grads", {}),
    "single, options": (lambda W, V: W, lambda w, v: w, "grads", {"clip_norm": 1.0, "check_finite": True}),
    "list": (lambda W, V: [V, W], lambda w, v: [v, w], "grads[1]", {}),
    "dict": (lambda W, V: {"v": V, "w": W}, lambda w, v: {"w": w, "v": v}, "grads['w']", {"check_finite": "skip"}),
    "nest": (lambda W, V: {"v": [V], "w": (W,)}, lambda w, v: {"v": [v], "w": (w,)}, "grads['w'][0]", {}),
    "groups": (lambda W, V: [{"params": V}, {"params": [W]}], lambda w, v: [v, [w]], "grads[1][0]", {"maximize": True}),
    "packed": (lambda W, V: pack([V, W]), lambda w, v: [v, w], "grads[1]", {}),
    "packed dict": (lambda W, V: pack({"v": V, "w": W}), lambda w, v: {"v": v, "w": w}, "grads['w']", {}),
}
each_way = pytest.mark.parametrize("way", WAYS)
each_shape = pytest.mark.parametrize("shape", [(6,), (4, 6)], ids=["1-D", "2-D"])


def refused(way, make, error, word, shape, order="C"):
    """Refuse on both routes of gathering, with the same words, and step well afterwards."""

    def message():
        at = Way(shape, *WAYS[way], order)
        g = make(at)
        said = refuse(lambda: at.step(g), error, at.name, word, unchanged=[at.opt, at.base])
        assert said.startswith(f"{at.name} ")
        at.step(np.ones(shape, order=order))
        assert at.opt.t == 1
        return said

    with_kernel = message()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "kernel", lambda: None)
        assert message() == with_kernel


@pytest.mark.parametrize(("make", "error", "word"), cases(WRONG_GRADIENT))
@each_shape
@each_way
def test_wrong_kind(way, shape, make, error, word):
    refused(way, lambda at: make(at.W), error, word, shape)


SHAPES = [
    ("short", lambda s: (*s[:-1], s[-1] - 1)),
    ("long", lambda s: (*s[:-1], s[-1] + 1)),
    ("one more axis", lambda s: (*s, 1)),
    ("an axis before", lambda s: (1, *s)),
    ("flat", lambda s: (int(np.prod(s)), *s[2:]) if len(s) > 1 else (2, 3)),
    ("turned", lambda s: s[::-1] if len(s) > 1 else (3, 2)),
    ("broadcast", lambda s: (1,) * len(s)),
    ("empty", lambda s: (0,)),
    ("no axis", lambda s: ()),
]


@pytest.mark.parametrize("other", [pytest.param(f, id=name) for name, f in SHAPES])
@each_shape
@each_way
def test_wrong_shape(way, shape, other):
    refused(way, lambda at: np.ones(other(shape)), ValueError, f"{shape}, got {other(shape)}", shape)


@each_shape
@each_way
def test_wrong_dtype(way, shape):
    refused(way, lambda at: np.ones(shape, np.float32), TypeError, "float64, got float32", shape)


LAYOUTS = [
    ("strided", lambda at: np.ones((*at.W.shape[:-1], 2 * at.W.shape[-1]))[..., ::2]),
    ("reversed", lambda at: np.ones(at.W.shape)[..., ::-1]),
    ("broadcast", lambda at: np.broadcast_to(1.0, at.W.shape)),
]


@pytest.mark.parametrize("make", [pytest.param(f, id=name) for name, f in LAYOUTS])
@each_shape
@each_way
def test_wrong_layout(way, shape, make):
    refused(way, make, ValueError, "contiguous", shape)


@pytest.mark.parametrize(("order", "other", "word"), [("C", "F", "C order"), ("F", "C", "Fortran order")])
@each_way
def test_wrong_order(way, order, other, word):
    refused(way, lambda at: np.ones((4, 6), order=other), ValueError, word, (4, 6), order)


OVERLAPS = [
    ("the parameter", lambda at: at.W),
    ("a view of the parameter", lambda at: at.W[:]),
    ("its first state", lambda at: at.state[0]),
    ("its last state", lambda at: at.state[2]),
    ("another parameter", lambda at: at.V),
    ("the state of another", lambda at: at.others[1]),
    ("a part of the parameter", lambda at: at.beside(1)),
    ("a part and what is before", lambda at: at.beside(-1)),
    ("its first element", lambda at: at.beside(1 - at.W.size)),
    ("its last element", lambda at: at.beside(at.W.size - 1)),
]


@pytest.mark.parametrize("make", [pytest.param(f, id=name) for name, f in OVERLAPS])
@each_shape
@each_way
def test_overlap(way, shape, make):
    refused(way, make, ValueError, "overlap", shape)


@each_shape
@each_way
def test_memory_right_beside_is_free(way, shape):
    at = Way(shape, *WAYS[way])
    if way.startswith("packed"):
        pytest.skip("its neighbour is a parameter")
    at.step(at.beside(at.W.size))
    at.step(at.beside(-at.W.size))
    assert at.opt.t == 2


@pytest.mark.needs("peers")
def test_real_tensors_are_told_how():
    import torch

    for tensor in (torch.ones(6, dtype=torch.float64), torch.ones(6, requires_grad=True)):
        refused("single", lambda at, tensor=tensor: tensor, TypeError, "t.detach().numpy()", (6,))
        refused("packed", lambda at, tensor=tensor: tensor, TypeError, "t.detach().numpy()", (6,))


@pytest.mark.parametrize("gradient", [np.float32(1.0), 1.0, 1, [1.0], np.ones(1)], ids=repr)
def test_arrays_without_dimension(gradient):
    for params, grads in ((np.ones(()), gradient), ([np.ones(())], [gradient]), (pack([np.ones(())]), [gradient])):
        opt = fastopt.SGD(params)
        error = ValueError if isinstance(gradient, np.ndarray) else TypeError
        refuse(lambda opt=opt, grads=grads: opt.step(grads), error, "grads", unchanged=[opt])


# ---------------------------------------------------------------- structure

A, B, C = np.ones(2), np.ones(2), np.ones(2)
STRUCTURES = [
    ("array", A, [[A], (A,), {"a": A}, "a", iter([A])]),
    ("list", [A, B], [[A], [A, A, A], [], A, {"a": A, "b": A}, None, "ab", b"ab", iter([A, A]), {0: A, 1: A}]),
    ("tuple", (A, B), [(A,), (A, A, A), np.ones((2, 2)), (A, [A])]),
    ("dict", {"a": A, "b": B}, [{"a": A}, {"a": A, "c": A}, {"a": A, "b": A, "c": A}, {}, [A, A], A, None, "ab"]),
    ("keys", {0: A, "0": B}, [{"0": A, 1: A}, [A, A]]),
    ("nest", {"a": [A, B], "b": C}, [{"a": A, "b": A}, {"a": [A], "b": A}, {"a": [A, A], "b": [A]}, [[A, A], A]]),
    ("groups", [{"params": A}, {"params": [B]}], [A, [A], [A, A], [A, [A], A], [{"params": A}, {"params": [A]}]]),
]
PACKED = [(f"packed {name}", params, bad) for name, params, bad in STRUCTURES[1:6]]


def fresh(nest):
    if isinstance(nest, dict):
        return {key: fresh(child) for key, child in nest.items()}
    return nest + 0 if isinstance(nest, np.ndarray) else type(nest)(map(fresh, nest))


@pytest.mark.parametrize(
    ("name", "params", "grads"),
    [pytest.param(name, p, g, id=f"{name} {i}") for name, p, bad in STRUCTURES + PACKED for i, g in enumerate(bad)],
)
def test_wrong_structure(name, params, grads):
    opt = fastopt.Adam(pack(params) if name.startswith("packed") else fresh(params))
    refuse(lambda: opt.step(grads), TypeError, "grads", unchanged=[opt])
    assert opt.t == 0


def test_packed_gradients_of_another_layout():
    opt = fastopt.Adam(pack([np.ones((2, 3)), np.ones(4)]))
    for other in ([np.ones((3, 2)), np.ones(4)], [np.ones((2, 3), order="F"), np.ones(4)]):
        refuse(lambda other=other: opt.step(pack(other)), ValueError, "grads[0]", unchanged=[opt])
    for other in ([np.ones((2, 3), "f4"), np.ones(4)], [np.ones((2, 3))], {"a": np.ones((2, 3)), "b": np.ones(4)}):
        refuse(lambda other=other: opt.step(pack(other)), TypeError, "grads", unchanged=[opt])


@pytest.mark.parametrize("way", [way for way in WAYS if "packed" not in way])
def test_parameters_made_read_only_later(way):
    at = Way((6,), *WAYS[way])
    at.W.flags.writeable = False
    refuse(lambda: at.step(np.ones(6)), ValueError, "params", "writable", "read-only", unchanged=[at.opt])
