"""The nest that an optimiser holds is its own: what is put into the given one, or into ``params``, is no parameter."""

from collections import OrderedDict, UserDict, UserList, namedtuple

import numpy as np
import pytest
from refusals import refuse

import fastopt

Pair = namedtuple("Pair", "W b")


def deep_list(a):
    nest = [a]
    for _ in range(2000):
        nest = [nest]
    return nest


def holding_itself(a):
    nest = [a]
    nest.append({"again": nest})
    return nest


# name, of one array a nest, how to put another in its place, what params shows
NESTS = [
    ("dict", lambda a: {"W": a}, lambda d, b: d.update(W=b), lambda a: {"W": a}),
    ("list", lambda a: [a], lambda d, b: d.append(b), lambda a: [a]),
    ("nested", lambda a: {"W": [a]}, lambda d, b: d["W"].__setitem__(0, b), lambda a: {"W": [a]}),
    ("in a tuple", lambda a: ({"W": a},), lambda d, b: d[0].clear(), lambda a: ({"W": a},)),
    ("in a named tuple", lambda a: Pair([a], []), lambda d, b: d.W.clear(), lambda a: Pair([a], [])),
    ("ordered", lambda a: OrderedDict(W=a), lambda d, b: d.pop("W"), lambda a: {"W": a}),
    ("another mapping", lambda a: UserDict(W=a), lambda d, b: d.update(W=b), lambda a: {"W": a}),
    ("another sequence", lambda a: UserList([a]), lambda d, b: d.pop(), lambda a: [a]),
    ("groups", lambda a: [{"params": [a]}], lambda d, b: d[0].update(params=[b]), lambda a: [[a]]),
    ("in a group", lambda a: [{"params": {"W": a}}], lambda d, b: d[0]["params"].update(W=b), lambda a: [{"W": a}]),
]


def same(nest, other):
    """The same containers with the same arrays in them."""
    if isinstance(nest, np.ndarray):
        return nest is other
    assert type(nest) is type(other)
    if isinstance(nest, dict):
        return nest.keys() == other.keys() and all(same(nest[key], other[key]) for key in nest)
    return len(nest) == len(other) and all(map(same, nest, other))


@pytest.mark.parametrize(("build", "change", "held"), [pytest.param(*row[1:], id=row[0]) for row in NESTS])
def test_the_given_nest_may_change(build, change, held):
    a, b = np.ones(2), np.ones(2)
    nest = build(a)
    opt = fastopt.SGD(nest, lr=1.0)
    change(nest, b)
    assert same(opt.params, held(a))
    opt.step(held(np.ones(2)))
    assert a.tolist() == [0.0, 0.0]
    assert b.tolist() == [1.0, 1.0]
    taken = opt.params
    if not isinstance(taken, tuple):
        taken.clear()
        assert same(opt.params, held(a))


def test_a_nest_that_changed_is_trained_as_it_was_given():
    def loss(params, grads, x):
        grads.W[:] = 1.0
        return 0.0

    a, b = np.ones(2), np.ones(2)
    nest = {"W": a}
    opt = fastopt.SGD(nest, lr=0.5)
    nest["W"] = b
    fastopt.fit(loss, opt, np.zeros(1), batch_size=None, epochs=1)
    assert (a.tolist(), b.tolist()) == ([0.5, 0.5], [1.0, 1.0])


def test_packed_parameters_stay_what_they_are():
    packed = fastopt.pack({"W": np.ones(2)})
    assert fastopt.SGD(packed).params is packed
    assert fastopt.SGD([{"params": packed}]).params[0] is packed


@pytest.mark.parametrize("build", [deep_list, holding_itself])
def test_nests_without_end(build):
    a = np.ones(2)
    nest, opt = build(a), fastopt.SGD([[a.copy()]])
    for call in (fastopt.SGD, fastopt.pack, fastopt.to_device, fastopt.to_host):
        refuse(lambda call=call: call(nest), (TypeError, ValueError), "params", unchanged=[a])
    refuse(lambda: fastopt.SGD(nest), ValueError, "200 deep", unchanged=[a])
    refuse(lambda: opt.step(nest), (TypeError, ValueError), "grads", unchanged=[opt])
    refuse(lambda: fastopt.check_grad(lambda p: (0.0, p), nest), (TypeError, ValueError), "x0")
