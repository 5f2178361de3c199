"""copy.deepcopy and pickle of optimisers: the copy steps to the same bits and shares nothing."""

import copy
import pickle
import sys
from types import ModuleType

import numpy as np
import pytest
from stepping import BY_NAME, bits, name_of, optimizer, problem

import fastopt
from fastopt import schedules

DUPLICATE = {"deep": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}
each_duplicate = pytest.mark.parametrize("duplicate", DUPLICATE.values(), ids=DUPLICATE)
FORMS = {
    "list": list,
    "packed": lambda arrays: fastopt.pack(dict(enumerate(arrays))),
    "groups": lambda arrays: [{"params": a, "lr": 0.1 * (i + 1)} for i, a in enumerate(arrays)],
    "fortran": lambda arrays: [np.asfortranarray(a) for a in arrays],
    "nested": lambda arrays: {"a": (arrays[0], [arrays[1]]), "b": arrays[2]},
}
GRADS = {"packed": lambda g: dict(enumerate(g)), "nested": lambda g: {"a": (g[0], [g[1]]), "b": g[2]}}
GRADS["fortran"] = lambda g: [np.asfortranarray(a) for a in g]


def flat(opt):
    return opt._layout.leaves


@each_duplicate
@pytest.mark.parametrize("form", FORMS)
def test_a_copy_goes_on_to_the_same_bits_and_shares_nothing(form, duplicate):
    params, grads = problem(np.float64, steps=12)
    given = GRADS.get(form, list)
    opt = fastopt.Adam(FORMS[form](params), betas=(0.8, schedules.constant(0.9)), clip_norm=1.0, check_finite="skip")
    opt.maximize = True
    for k, g in enumerate(grads[:6]):
        opt.step(given([None if k % 2 else g[0], *g[1:]]) if form not in ("fortran", "packed") else given(g))
    opt.step(given([g * np.nan for g in grads[0]]))
    before = bits(*flat(opt))
    other = duplicate(opt)
    assert repr(other) == repr(opt)
    assert (other.t, other.counts, other.skipped) == (opt.t, opt.counts, opt.skipped)
    assert type(other) is type(opt)
    assert other.rule is opt.rule
    for g in grads[6:]:
        other.step(given(g))
    assert bits(*flat(opt)) == before
    for g in grads[6:]:
        opt.step(given(g))
    assert bits(*flat(opt)) == bits(*flat(other))
    other.lr = 7.0
    assert all(group.lr != 7.0 for group in opt.groups)


@each_duplicate
@pytest.mark.parametrize("name", BY_NAME)
def test_every_rule(name, duplicate):
    params, grads = problem(np.float32, steps=2)
    opt = optimizer(name, params)
    opt.step(grads[0])
    other = duplicate(opt)
    assert other.rule is opt.rule
    for one in (opt, other):
        one.step(grads[1])
    assert bits(*flat(opt)) == bits(*flat(other))


@each_duplicate
def test_what_was_shared_is_shared_by_the_copies(duplicate):
    x = np.ones(3)
    other = duplicate({"x": x, "opt": fastopt.SGD(x, lr=0.5)})
    other["opt"].step(np.ones(3))
    assert other["x"].tolist() == [0.5, 0.5, 0.5]
    assert x.tolist() == [1, 1, 1]


def test_a_subclass_stays_one():
    class Mine(fastopt.Optimizer):
        pass

    opt = Mine(np.ones(3), BY_NAME["adam"])
    assert isinstance(copy.deepcopy(opt), Mine)


def update(p, g, rate):
    return (p - rate * g,)


def coefficients(t, rate):
    return (rate,)


OWN = fastopt.Rule(name="own", update=update, coefficients=coefficients, hyper={"rate": 0.5})


@each_duplicate
def test_a_rule_of_ones_own_by_module_and_name(duplicate):
    assert duplicate(OWN) is OWN
    opt = fastopt.Optimizer(np.ones(2), OWN)
    other = duplicate(opt)
    other.step(np.ones(2))
    assert (other.params.tolist(), opt.params.tolist()) == ([0.5, 0.5], [1, 1])


def test_a_rule_that_is_nowhere_is_copied_but_not_pickled():
    rule = fastopt.Rule(name="local", update=update, coefficients=coefficients, hyper={"rate": 0.5})
    opt = fastopt.Optimizer(np.ones(2), rule)
    assert copy.deepcopy(opt).rule is rule
    with pytest.raises(
        TypeError, match=r"^rule 'local' must be a global of the module of its update to be pickled, got"
    ):
        pickle.dumps(opt)


def test_a_rule_named_like_one_here_is_not_taken_for_it():
    module = sys.modules["own_adam"] = ModuleType("own_adam")
    try:
        exec("def update(p, g, rate): return (p,)", vars(module))
        module.MINE = fastopt.Rule(name="adam", update=module.update, coefficients=coefficients, hyper={"rate": 0.5})
        assert pickle.loads(pickle.dumps(module.MINE)) is module.MINE
    finally:
        del sys.modules["own_adam"]


def test_a_schedule_must_be_picklable_itself():
    opt = fastopt.SGD(np.ones(2), lr=lambda step: 0.1)
    assert copy.deepcopy(opt).lr is opt.lr
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(opt)


@each_duplicate
@pytest.mark.parametrize("rule", [*BY_NAME.values(), OWN], ids=name_of)
def test_a_method_for_scipy(rule, duplicate):
    method = fastopt.method("adam" if rule.name == "adam" else rule)
    other = duplicate(method)
    assert other.__name__ == method.__name__ == rule.name
    assert other.args[0] is rule
