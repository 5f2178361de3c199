"""Constructors refuse what they cannot take: parameters, hyperparameters of every rule, options."""

import numba
import numpy as np
import pytest
from refusals import WRONG_KIND, cases, refuse
from stand_ins import Unreachable
from stepping import spelt

import fastopt
from fastopt import pack
from fastopt.rules import ALL_RULES
from fastopt.targets import missing

each_rule = pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)


@pytest.fixture
def x():
    return np.arange(6.0)


# ---------------------------------------------------------------- parameters

HOLDS = {
    "single": (lambda a: a, "params"),
    "list": (lambda a: [np.ones(2), a], "params[1]"),
    "nest": (lambda a: {"x": [np.ones(2)], "y": ({"W": a},)}, "params['y'][0]['W']"),
    "groups": (lambda a: [{"params": np.ones(2)}, {"params": {"W": a}}], "params[1]['W']"),
}
each_hold = pytest.mark.parametrize("hold", HOLDS)


@pytest.mark.parametrize(("make", "error", "word"), cases(WRONG_KIND))
@each_hold
def test_parameters_of_a_wrong_kind(hold, make, error, word):
    build, name = HOLDS[hold]
    bad = make(np.ones((2, 3)))
    if isinstance(bad, list):
        name, word = f"{name}[0][0]", "1.0"  # a list is a nest: its numbers are no arrays
    refuse(lambda: fastopt.Adam(build(bad)), error, name, word)
    if hold != "groups" and not (hold == "single" and not isinstance(bad, list)):
        refuse(lambda: pack(build(bad)), error, name, word)


@each_hold
def test_an_array_on_the_gpu(hold):
    """Without CUDA that is what is said, with it that the other arrays are not there too."""
    build, name = HOLDS[hold]
    if missing():
        refuse(lambda: fastopt.Adam(build(Unreachable())), RuntimeError, f"{name}, on the GPU, must have CUDA")
    elif hold != "single":
        refuse(
            lambda: fastopt.Adam(build(Unreachable())), TypeError, "on the GPU like the other arrays", "float64 array"
        )
    if hold in ("list", "nest"):
        refuse(lambda: pack(build(Unreachable())), TypeError, name, "on the GPU: fastopt.to_host")


LAYOUTS = [
    ("strided", lambda: np.ones((4, 6))[:, ::2], "contiguous"),
    ("reversed", lambda: np.ones(6)[::-1], "contiguous"),
    ("broadcast", lambda: np.broadcast_to(1.0, (3, 2)), "contiguous"),
    ("turned", lambda: np.ones((2, 3, 4)).transpose(1, 0, 2), "contiguous"),
]


@pytest.mark.parametrize(("make", "word"), cases(LAYOUTS))
@each_hold
def test_parameters_that_are_not_contiguous(hold, make, word):
    build, name = HOLDS[hold]
    bad = make()
    refuse(lambda: fastopt.SGD(build(bad)), ValueError, name, word, str(bad.strides))


@each_hold
def test_read_only_parameters(hold, x):
    x.flags.writeable = False
    build, name = HOLDS[hold]
    refuse(lambda: fastopt.SGD(build(x)), ValueError, name, "writable", "read-only", unchanged=[x])


def test_read_only_files(tmp_path, x):
    x.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.float64, "r")
    refuse(lambda: fastopt.SGD(mapped), ValueError, "params", "writable", unchanged=[mapped])


OVERLAPS = [
    ("twice", lambda x: [x, x], "params[0]", "params[1]"),
    ("a view", lambda x: {"a": x, "b": x[:]}, "params['a']", "params['b']"),
    ("a part", lambda x: [x, np.ones(1), x[2:4]], "params[0]", "params[2]"),
    ("one element", lambda x: [x[:4], x[3:]], "params[0]", "params[1]"),
    ("transposed", lambda x: (x.reshape(2, 3), x.reshape(2, 3).T), "params[0]", "params[1]"),
    ("groups", lambda x: [{"params": x}, {"params": [x[5:]]}], "params[0]", "params[1][0]"),
    ("another dtype", lambda x: [x, x[:1].view("f4")], "params[0]", "params[1]"),
]


@pytest.mark.parametrize(("build", "first", "second"), cases(OVERLAPS))
def test_parameters_that_overlap(build, first, second, x):
    refuse(lambda: fastopt.Adam(build(x)), ValueError, "overlap", first, second, unchanged=[x])


def test_a_pack_and_its_part():
    p = pack({"a": np.ones(2), "b": {"c": np.ones(3)}})
    refuse(lambda: fastopt.SGD([{"params": p}, {"params": p["b"]}]), ValueError, "overlap", "params[1]")


def test_neighbours_do_not_overlap(x):
    fastopt.Adam([x[:3], x[3:3], x[3:], x[3:3]], lr=0.1).step([np.ones(3), np.ones(0), np.ones(3), np.ones(0)])


@pytest.mark.parametrize("params", [[], {}, (), [[], {}], pack([]), pack({}), [{"params": []}]], ids=repr)
def test_no_parameters(params):
    refuse(lambda: fastopt.Adam(params), ValueError, "params", "at least one array")


def test_packs_of_what_is_no_nest(x):
    refuse(lambda: pack(x), TypeError, "params", "sequence or a mapping", "float64 array")
    refuse(lambda: pack("W"), TypeError, "params", "'W'")
    refuse(lambda: pack(None), TypeError, "params", "None")


@pytest.mark.parametrize("key", ["k" * 500, "two\nlines", tuple(range(200))], ids=["long", "lines", "tuple"])
def test_names_that_are_long(key):
    refuse(lambda: fastopt.SGD({key: np.ones(2, int)}), TypeError, "int64")
    opt = fastopt.SGD({key: np.ones(2)})
    refuse(lambda: opt.step({key: np.ones(3)}), ValueError, "shape", unchanged=[opt])
    refuse(lambda: opt.step({"other": np.ones(2)}), TypeError, "grads", unchanged=[opt])


# ---------------------------------------------------------------- hyperparameters

NO_NUMBER = [True, "0.1", None, 1j, np.ones(1), np.ones((2, 2)), [0.1], list(range(999)), {}, "x" * 999, np.bool_(True)]
OUT_OF_RANGE = [np.nan, np.inf, -np.inf, -1e-9, np.float32("nan"), 10**400]
LESS_THAN_ONE = {"beta1", "beta2", "beta3", "alpha", "rho", "etaminus"}


@each_rule
def test_every_hyperparameter_of_every_rule(rule, x):
    for name in (*rule.hyper, *rule.initial, "weight_decay"):
        if isinstance(rule.hyper.get(name), bool):
            for bad in (1, 0.0, None, "yes", np.ones(1), lambda step: True):
                refuse(lambda n=name, b=bad: fastopt.Optimizer(x, rule, **{n: b}), TypeError, name, unchanged=[x])
            continue
        less = name in LESS_THAN_ONE and (name != "alpha" or "rmsprop" in rule.name)
        high = [1.0, 1.5] if less else [1.0001] if name == "dampening" else []
        for bads, error in ((NO_NUMBER, TypeError), (OUT_OF_RANGE + high, ValueError)):
            for bad in bads:
                hyper = spelt({name: bad})
                refuse(lambda h=hyper: fastopt.Optimizer(x, rule, **h), error, name, unchanged=[x])
                groups = [{"params": x[:2]}, {"params": x[2:], **hyper}]
                refuse(lambda g=groups: fastopt.Optimizer(g, rule), error, name, unchanged=[x])


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), "ab", None, np.array([0.9, 0.99]), {0.9, 0.99}])
def test_betas_are_a_pair(betas, x):
    refuse(lambda: fastopt.Adam(x, betas=betas), TypeError, "betas", "pair", unchanged=[x])
    refuse(lambda: fastopt.Lion([{"params": x, "betas": betas}]), TypeError, "betas", "pair", unchanged=[x])


def test_the_start_of_a_state_is_no_schedule(x):
    start = {"initial_accumulator_value": lambda step: 1.0}
    refuse(lambda: fastopt.Adagrad(x, **start), TypeError, "initial_accumulator_value", "number", unchanged=[x])


UNKNOWN = [
    ("constructor", lambda x: fastopt.Adam(x, momentum=0.9), "momentum"),
    ("beta1", lambda x: fastopt.Adam(x, beta1=0.9), "beta1"),
    ("typo", lambda x: fastopt.SGD(x, learning_rate=0.1), "learning_rate"),
    ("long", lambda x: fastopt.SGD(x, **{"k" * 500: 0.1}), "kkk"),
    ("twice", lambda x: fastopt.SGD(x, 0.1, lr=0.1), "lr"),
    ("too many", lambda x: fastopt.SGD(x, 0.1, 0.9), "SGD"),
    ("nothing", lambda x: fastopt.SGD(lr=0.1), "params"),
    ("optimizer", lambda x: fastopt.Optimizer(x, fastopt.RULES[1], eps=0.1), "eps"),
    ("initial", lambda x: fastopt.Adam(x, initial_accumulator_value=0.1), "initial_accumulator_value"),
    ("group", lambda x: fastopt.SGD([{"params": x, "eps": 0.1}]), "group 0"),
    ("option in a group", lambda x: fastopt.SGD([{"params": x[:1]}, {"params": x[1:], "maximize": True}]), "group 1"),
    ("no string", lambda x: fastopt.SGD([{"params": x, 3: 0.1}]), "group 0"),
    ("rule", lambda x: fastopt.Optimizer(x, "adam"), "fastopt.Rule"),
    ("class", lambda x: fastopt.Optimizer(x, fastopt.Adam), "fastopt.Rule"),
    ("not all groups", lambda x: fastopt.SGD([{"params": x, "lr": 0.1}, {"lr": 0.2}]), "params[0]"),
]


@pytest.mark.parametrize(("make", "word"), cases(UNKNOWN))
def test_unknown_keywords(make, word, x):
    refuse(lambda: make(x), TypeError, word, unchanged=[x])


VARIANTS = [
    ("nesterov alone", "SGD", {"nesterov": True}, ValueError, "momentum"),
    ("nesterov, momentum 0", "SGD", {"nesterov": True, "momentum": 0.0}, ValueError, "momentum"),
    ("nesterov, dampening", "SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "dampening"),
    ("dampening alone", "SGD", {"dampening": 0.1}, ValueError, "dampening"),
    ("nesterov of 1", "SGD", {"nesterov": 1, "momentum": 0.9}, TypeError, "nesterov"),
    ("nesterov of 0", "SGD", {"nesterov": 0}, TypeError, "nesterov"),
    ("nesterov of None", "SGD", {"nesterov": None, "momentum": 0.9}, TypeError, "nesterov"),
    ("momentum of None", "SGD", {"momentum": None}, TypeError, "momentum"),
    ("momentum of nothing", "SGD", {"momentum": ""}, TypeError, "momentum"),
    ("momentum of False", "SGD", {"momentum": False}, TypeError, "momentum"),
    ("momentum of True", "SGD", {"momentum": True}, TypeError, "momentum"),
    ("momentum of nan", "SGD", {"momentum": np.nan}, ValueError, "momentum"),
    ("momentum below 0", "SGD", {"momentum": -0.5}, ValueError, "momentum"),
    ("momentum of arrays", "SGD", {"momentum": np.ones(2)}, TypeError, "momentum"),
    ("dampening of None", "SGD", {"dampening": None, "momentum": 0.9}, TypeError, "dampening"),
    ("amsgrad of 1", "Adam", {"amsgrad": 1}, TypeError, "amsgrad"),
    ("amsgrad of a string", "Adam", {"amsgrad": "no"}, TypeError, "amsgrad"),
    ("amsgrad of arrays", "Adam", {"amsgrad": np.ones(2)}, TypeError, "amsgrad"),
    ("centered of None", "RMSprop", {"centered": None}, TypeError, "centered"),
    ("momentum of RMSprop", "RMSprop", {"momentum": None, "centered": True}, TypeError, "momentum"),
]


@pytest.mark.parametrize(("name", "keywords", "error", "word"), cases(VARIANTS))
def test_keywords_that_pick_a_rule(name, keywords, error, word, x):
    refuse(lambda: getattr(fastopt, name)(x, **keywords), error, word, unchanged=[x])


# ---------------------------------------------------------------- options

EITHER = (TypeError, ValueError)
MOST = numba.config.NUMBA_NUM_THREADS
OPTIONS = [
    *(("maximize", bad, TypeError, "True or False") for bad in (1, None, "yes", np.ones(2))),
    *(
        (name, bad, TypeError, "number")
        for name in ("clip_value", "clip_norm")
        for bad in (True, "1", 1j, [1], np.ones(2))
    ),
    *(
        (name, bad, ValueError, "0")
        for name in ("clip_value", "clip_norm")
        for bad in (0, -1.0, np.nan, np.inf, 10**400)
    ),
    *(("check_finite", bad, EITHER, "'skip'") for bad in ("yes", None, 1, np.ones(2))),
    *(("parallel", bad, TypeError, "True, False or None") for bad in (1, "yes", np.ones(2))),
    *(("threads", bad, TypeError, "whole number") for bad in (True, 1.0, "2", [1], np.ones(2))),
    *(("threads", bad, ValueError, f"1 to {MOST}") for bad in (0, -1, MOST + 1, 10**30)),
    *(("device", bad, EITHER, "'cpu'") for bad in ("gpu", "CPU", 0, np.ones(2))),
    ("device", "cuda", RuntimeError if missing() else TypeError, "'cuda'"),
]


@pytest.mark.parametrize(("name", "bad", "error", "word"), OPTIONS, ids=[f"{row[0]} {row[1]!r:.20}" for row in OPTIONS])
def test_options(name, bad, error, word, x):
    refuse(lambda: fastopt.Adam(x, **{name: bad}), error, name, word, unchanged=[x])


def test_one_thread_is_not_parallel(x):
    refuse(lambda: fastopt.Adam(x, parallel=True, threads=1), ValueError, "threads", "parallel=True", unchanged=[x])


@pytest.mark.parametrize("made", [lambda a: (x for x in a), iter, lambda a: dict(enumerate(a)).values()])
def test_what_can_be_read_only_once_is_told_to_be_a_list(made):
    """As ``net.parameters()`` is."""
    arrays = [np.ones(3), np.ones(2)]
    says = r"must be an array, or a sequence or mapping of arrays, got a \w+: pass list\(...\) of it$"
    with pytest.raises(TypeError, match="^params " + says):
        fastopt.Adam(made(arrays))
    with pytest.raises(TypeError, match=r"^params\[1\] " + says):
        fastopt.Adam([{"params": arrays}, {"params": made(arrays)}])
