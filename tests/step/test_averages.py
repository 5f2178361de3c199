"""Averages of the parameters, kept in the pass of the step: their values, their reading, their exchange."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from interrupts_everywhere import Places
from reference import Reference
from stepping import BY_NAME, DTYPES, assert_close, assert_same_steps, bits, leaves, name_of, problem, spelt

import fastopt
from fastopt import schedules
from fastopt.rules.averages import averaged

X, G = np.array([1.0, -2.0, 3.0]), np.array([0.5, -1.5, 20.0])
ASKED = {"ema": {"ema": 0.75}, "polyak": {"average": "polyak"}}
each_kind = pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
SWAPPED = "outside the block of opt.swapped"


def made(params, rule="momentum", **options):
    return fastopt.Optimizer(params, BY_NAME[rule], **options)


# ---------------------------------------------------------------- values


@each_kind
@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("name", ["gd", "adam", "adan_decoupled"])
def test_the_average_is_the_references(name, dtype, asked):
    """With up to five state arrays, one of them of decoupled decay."""
    params, grads = problem(dtype)
    hyper = {"lr": 0.05} | ({"weight_decay": 0.3} if name == "adan_decoupled" else {})
    ref = Reference(name, params, **hyper, **asked)
    opt = made({"a": params[0], "b": params[1:]}, name, **spelt(hyper), **asked)
    assert_same_steps(opt, ref, [{"a": g[0], "b": g[1:]} for g in grads])
    assert list(opt.state)[-1] == "average"
    assert opt.averaged is opt.state["average"]


@each_kind
@pytest.mark.parametrize("name", ["lamb", "prodigy"])
@pytest.mark.parametrize("hold", [list, fastopt.pack])
def test_of_rules_with_sums(name, hold, asked):
    params, grads = problem(np.float64, steps=10)
    ref = Reference(name, params, lr=0.1, **asked)
    opt = made(hold([p.copy() for p in params]), name, lr=0.1, clip_value=2.0, **asked)
    ref.clip_value = 2.0
    for g in grads:
        opt.step(g)
        ref.step(g)
        assert_close(leaves(list(opt.averaged)), ref.state["average"], f"average, t={ref.t}")
    other = copy.deepcopy(opt)
    assert bits(*leaves(list(other.averaged))) == bits(*leaves(list(opt.averaged)))


def upwards(p, new, g):
    return new if new > p else p


@each_kind
def test_it_is_of_where_parameters_are_in_the_end(asked):
    """After what ``after`` and ``cautious`` make of the step; copies do the same."""
    x = X.copy()
    opt, path = fastopt.Adam(x, lr=0.5, after=upwards, cautious=True, **asked), []
    for t in range(6):
        opt.step(G * (-1.0) ** t)
        path.append(x.copy())
        opt = copy.deepcopy(opt)
        x = opt.params
    assert (np.diff(path, axis=0) >= 0).all()
    expected = path[0]
    for t, p in enumerate(path[1:], 2):
        expected = 0.75 * expected + 0.25 * p if "ema" in asked else expected + (p - expected) / t
    np.testing.assert_allclose(opt.averaged, expected, rtol=1e-14)


@each_kind
def test_with_everything_that_a_step_can_do_and_arrays_that_miss_steps(asked):
    params, grads = problem(np.float64, steps=20)
    for k, g in enumerate(grads):
        g[k % 3] = None if k % 4 else g[k % 3]
    more = {"weight_decay": 0.1, "clip_value": 2.0, "clip_norm": 1.5, "maximize": True}
    ref = Reference("adam", params, lr=0.1, **more, **asked)
    assert_same_steps(fastopt.Adam(fastopt.pack(params), lr=0.1, **more, **asked), ref, grads)


def test_the_rest_is_what_it_is_without():
    """To the bit, in parallel too, where the average is the serial one to the bit."""
    (p,), steps = problem(np.float32, steps=10, shapes=[(1000,)])
    opts = [made(p.copy(), "adam", parallel=way, **more) for way in (False, True) for more in ({}, {"ema": 0.5})]
    for (g,) in steps:
        for opt in opts:
            opt.step(g)
    plain, serial, _, parallel = opts
    assert bits(serial.params, serial.state["v"]) == bits(plain.params, plain.state["v"])
    assert bits(parallel.params, parallel.averaged) == bits(serial.params, serial.averaged)


def test_a_schedule_and_another_for_each_group():
    at = schedules.cosine(0.9, steps=6)
    x, y = X.copy(), X.copy()
    opt = fastopt.SGD([{"params": x, "ema": at}, {"params": y}], lr=0.1, ema=0.25)
    refs = [Reference("sgd", [X], lr=0.1, ema=0.25) for _ in range(2)]
    for t in range(6):
        opt.step([G, G])
        for ref, ema in zip(refs, (at(t), 0.25)):
            ref.ema = ema
            ref.step([G])
    for found, ref in zip(opt.averaged, refs):
        np.testing.assert_allclose(found, ref.state["average"][0], rtol=1e-14)
    assert (opt.groups[0].ema, opt.groups[1].ema) == (at, 0.25)
    opt.ema = 0.5
    assert opt.ema == 0.5
    with pytest.raises(ValueError, match="ema must be at least 0 and less than 1, got 1"):
        opt.ema = 1.0


@each_kind
@pytest.mark.parametrize("hold", [lambda x: x, lambda x: {"a": x}, fastopt.pack])
def test_before_the_first_step_it_is_the_parameters(hold, asked):
    first, second = X.copy(), X.reshape(1, 3).copy()
    opt = made(hold([first, second]), **asked)
    assert [a.tolist() for a in leaves(opt.averaged)] == [X.tolist(), [X.tolist()]]
    nest = [G, None] if not isinstance(opt.params, dict) else {"a": [G, None]}
    opt.step(nest)
    one, other = leaves(opt.averaged)
    assert other.tolist() == [X.tolist()]  # which had no gradient yet
    assert one.tolist() == leaves(opt.params)[0].tolist() != X.tolist()
    assert (one.shape, other.shape) == ((3,), (1, 3))


# ---------------------------------------------------------------- what is asked for


def test_what_may_be_asked_for():
    x = X.copy()
    wrong = [
        ({"average": "mean"}, "average must be 'polyak' or None, got 'mean'"),
        ({"average": "polyak", "ema": 0.5}, "ema must be None with average='polyak'"),
        ({"ema": 1.0}, "ema must be at least 0 and less than 1, got 1.0"),
        ({"ema": "0.5"}, "ema must be a number, got '0.5'"),
    ]
    for given, message in wrong:
        with pytest.raises((TypeError, ValueError), match=message):
            fastopt.Adam(x, **given)
    with pytest.raises(
        ValueError, match="ema must be given to every group, or to all beside them, got group 1 without"
    ):
        fastopt.Adam([{"params": x[:1], "ema": 0.5}, {"params": x[1:]}])
    assert fastopt.Adam([{"params": x[:1], "ema": 0.5}, {"params": x[1:], "ema": 0.75}]).groups[1].ema == 0.75
    with pytest.raises(TypeError, match="options of adam must be lr"):
        fastopt.minimize(lambda x: (x * x).sum(), [1.0], method="adam", options={"ema": 0.5})


def test_a_rule_whose_state_is_named_so_keeps_no_other():
    rule = fastopt.Rule(name="own", update=lambda p, g, average, lr: (p - lr * g, average + g), state=("average",),
                        coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1})  # fmt: skip
    with pytest.raises(ValueError, match="must have other names than 'average'"):
        fastopt.Optimizer(X.copy(), rule, ema=0.5)


def test_a_number_of_a_rule_that_is_named_so_is_its_own():
    rule = fastopt.Rule(name="own", update=lambda p, g, lr: (p - lr * g,), coefficients=lambda t, ema: (ema,),
                        hyper={"ema": 0.1})  # fmt: skip
    x = np.ones(1)
    opt = fastopt.Optimizer(x, rule, ema=0.5)
    opt.step(x.copy())
    assert (x[0], opt.ema, list(opt.state)) == (0.5, 0.5, [])


def test_evaluates_must_name_a_state_array():
    with pytest.raises(ValueError, match="evaluates must be one of state, 'm', got 'x'"):
        fastopt.Rule(name="own", update=lambda p, g, m, lr: (p, m), coefficients=lambda t, lr: (lr,), state=("m",),
                     hyper={"lr": 0.1}, evaluates="x")  # fmt: skip


def test_without_an_average():
    opt = fastopt.Adam(X.copy())
    assert not hasattr(opt, "averaged")
    for read in (lambda: opt.averaged, opt.swapped):
        with pytest.raises(AttributeError, match="averaged must be asked for with ema"):
            read()
    with pytest.raises(AttributeError):
        _ = opt.ema


def test_what_is_said_of_it():
    assert "ema : float or schedule, optional" in fastopt.Adam.__doc__
    assert 'average : "polyak", optional' in fastopt.Adam.__doc__
    opt = fastopt.Adam(X.copy(), ema=0.5)
    assert "ema=0.5" in repr(opt)
    assert opt.rule.name == "adam"
    assert type(opt).__name__ == "Adam"


# ---------------------------------------------------------------- swapped


@each_kind
@pytest.mark.parametrize("hold", [lambda x: x[0], lambda x: x, fastopt.pack])
def test_swapped_is_exact_in_both_directions(hold, asked):
    params, grads = problem(np.float32, steps=3)
    params = hold(params)
    opt = made(params, "adam", lr=0.1, **asked)
    for g in grads:
        opt.step(g if len(params) == 3 else g[0])
    p, average, m = (copied(a) for a in (opt.params, opt.averaged, opt.state["m"]))
    block = opt.swapped()
    for _ in range(2):
        with block:
            assert copied(params) == copied(opt.params) == copied(opt.averaged) == average != p
            assert copied(opt.state["average"]) == p
        assert (copied(opt.params), copied(opt.averaged), copied(opt.state["m"])) == (p, average, m)
    opt.step(grads[0] if len(params) == 3 else grads[0][0])


def copied(nest):
    return [a.tobytes() for a in leaves(nest if isinstance(nest, np.ndarray) else list(nest))]


def test_an_exception_swaps_back_and_goes_on():
    opt = made(X.copy(), ema=0.5)
    opt.step(G)
    opt.step(G)
    p, average = opt.params.copy(), opt.averaged.copy()
    with pytest.raises(AssertionError, match="inside"), opt.swapped():
        assert opt.params.tolist() != average.tolist(), "inside"
    assert (opt.params.tolist(), opt.averaged.tolist()) == (p.tolist(), average.tolist())
    opt.step(G)


@pytest.mark.parametrize("hold", [lambda x: x, lambda x: [x]])
def test_inside_nothing_is_stepped_saved_or_swapped(hold, tmp_path):
    opt, g = made(hold(X.copy()), ema=0.5), hold(G)
    opt.step(g)
    before, saved = pickle.dumps(opt), opt.state_dict()
    refused = [
        lambda: opt.step(g),
        lambda: opt.load_state_dict(saved),
        lambda: opt.swapped().__enter__(),
        opt.state_dict,
        lambda: fastopt.save(tmp_path / "x", opt),
        lambda: copy.deepcopy(opt),
    ]
    with opt.swapped():
        for what in refused:
            with pytest.raises(RuntimeError, match=SWAPPED):
                what()
    assert pickle.dumps(opt) == before
    assert not list(tmp_path.iterdir())
    opt.step(g)
    assert opt.t == 2


@pytest.mark.parametrize("hold", [lambda x: x[0], lambda x: x])
def test_an_interrupt_anywhere_leaves_nothing_swapped(hold):
    """But between the block and the code at its two ends, where nobody can catch it; that may be called again."""
    params = hold([X.copy(), X.astype(np.float32)])
    grads = hold([G, G.astype(np.float32)])
    opt = made(params, ema=0.5)
    opt.step(grads)
    opt.step(grads)
    before, inside, late = (copied(opt.params), copied(opt.averaged)), [], []
    for at in itertools.count(1):
        block = opt.swapped()

        def run(block=block):
            with block:
                inside.append(copied(params))

        reached = Places(at).interrupt(run)
        if copied(opt.params) != before[0]:
            late.append(at)
            assert (copied(opt.params), copied(opt.state["average"])) == before[::-1]
            block.__exit__()
        assert (copied(opt.params), copied(opt.averaged)) == before
        opt.state_dict()
        if not reached:
            break
    assert at > 20
    assert len(late) == 2
    assert {*map(tuple, inside)} == {tuple(before[1])}
    opt.step(grads)
    assert opt.t == 3


def test_a_read_only_parameter_is_refused_before_anything_is_swapped():
    params = [X.copy(), X.copy()]
    opt = made(params, ema=0.5)
    opt.step([G, G])
    opt.step([G, G])
    before = copied(opt.params)
    params[1].flags.writeable = False
    with pytest.raises(ValueError, match=r"params\[1\] must be writable"), opt.swapped():
        pass
    assert copied(opt.params) == before
    params[1].flags.writeable = True
    opt.step([G, G])


# ---------------------------------------------------------------- copies and checkpoints


@each_kind
def test_copies_and_checkpoints_go_on_to_the_same_bits(asked, tmp_path):
    params, grads = problem(np.float64, steps=8)
    opt = fastopt.Adam(params, lr=0.1, **asked)
    for g in grads[:4]:
        opt.step(g)
    path = tmp_path / "x.npz"
    fastopt.save(path, opt)
    fresh = [np.zeros_like(p) for p in params]
    loaded = fastopt.Adam(fresh, **(asked and {k: 0.5 if k == "ema" else v for k, v in asked.items()}))
    fastopt.load(path, loaded)
    stated = fastopt.Adam([p.copy() for p in params], **asked)
    stated.load_state_dict(opt.state_dict())
    assert opt.state_dict()["hyper"].get("ema") == asked.get("ema")
    others = [loaded, stated, copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))]
    for g in grads[4:]:
        for one in (opt, *others):
            one.step(g)
    for one in others:
        assert one.rule is opt.rule
        assert copied(one.params) + copied(one.averaged) == copied(opt.params) + copied(opt.averaged)


def test_with_and_without_an_average_do_not_load_each_other(tmp_path):
    opts = {"none": fastopt.Adam(X.copy()), "ema": fastopt.Adam(X.copy(), ema=0.5),
            "polyak": fastopt.Adam(X.copy(), average="polyak")}  # fmt: skip
    for name, opt in opts.items():
        fastopt.save(tmp_path / name, opt)
    for name, opt in opts.items():
        for other in opts.keys() - {name}:
            with pytest.raises(ValueError, match="must h") as refused:
                fastopt.load(tmp_path / other, opt)
            assert len(str(refused.value)) <= 300 + len(str(tmp_path))
            with pytest.raises(ValueError, match=r"d\['(state|hyper)'\] must have the names"):
                opt.load_state_dict(opts[other].state_dict())


def test_a_rule_with_an_average_is_made_once():
    adam = BY_NAME["adam"]
    assert averaged(adam, "ema") is fastopt.Adam(X.copy(), ema=0.25).rule is fastopt.Adam(X.copy(), ema=0.5).rule
    assert pickle.loads(pickle.dumps(averaged(adam, "polyak"))) is averaged(adam, "polyak")
