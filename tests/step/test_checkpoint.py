"""Stopping and going on to the same bits, by state_dict or by a file; what load_state_dict refuses."""

import numpy as np
import pytest
from refusals import contents, refuse

import fastopt
from fastopt import pack, schedules
from fastopt.rules import ALL_RULES

each_rule = pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)


def draw(seed):
    rng = np.random.default_rng(seed)
    F = np.asfortranarray(rng.normal(size=(3, 5)))
    return {"W": rng.normal(size=(4, 3)), "F": F, "b": rng.normal(size=7).astype("f4"), "s": np.asarray(rng.normal())}


def parts(arrays):
    return [{"W": arrays["W"], "F": [arrays["F"]]}, (arrays["b"], arrays["s"])]


HELD = {
    "single": (lambda a: a["F"], lambda a: a["F"]),
    "dict": (dict, dict),
    "list": (lambda a: list(a.values()), lambda a: list(a.values())),
    "packed": (pack, dict),
    "groups": (lambda a: [{"params": part, "lr": 0.01 * (i + 1)} for i, part in enumerate(parts(a))], parts),
    "groups, packed": (lambda a: [{"params": pack(part)} for part in parts(a)], parts),
}
each_way = pytest.mark.parametrize("way", HELD)


def train(opt, way, seeds):
    for seed in seeds:
        opt.step(HELD[way][1](draw(seed)))


def made(way, rule=None, seed=0, **hyper):
    rule = rule or next(rule for rule in ALL_RULES if rule.name == "adam")
    return fastopt.Optimizer(HELD[way][0](draw(seed)), rule, **hyper)


def take_over(by, opt, other, path):
    """Bring another optimiser to the same point, by hand or by a file."""
    if by == "file":
        fastopt.save(path, opt)
        fastopt.load(path, other)
    else:
        for mine, theirs in zip(other._layout.leaves, opt._layout.leaves):
            mine[...] = theirs
        other.load_state_dict(opt.state_dict())


@pytest.mark.parametrize("by", ["dict", "file"])
@each_rule
@each_way
def test_training_goes_on_to_the_same_bits(way, rule, by, tmp_path):
    opt, other = made(way, rule), made(way, rule, seed=99)
    train(other, way, [50])
    train(opt, way, range(1, 11))
    take_over(by, opt, other, tmp_path / "run")
    assert contents(opt) == contents(other)
    train(opt, way, range(11, 21))
    train(other, way, range(11, 21))
    assert contents(opt) == contents(other)
    assert opt.t == 20


@pytest.mark.parametrize("by", ["dict", "file"])
@pytest.mark.parametrize("decay", [0.0, 0.25])
@pytest.mark.parametrize("way", ["single", "dict", "packed"])
def test_numbers_come_along(way, decay, by, tmp_path):
    opt = made(way, lr=0.125, betas=(0.5, 0.75), eps=1e-3, bias_correction=False, weight_decay=decay)
    train(opt, way, [1, 2])
    other = made(way)
    take_over(by, opt, other, tmp_path / "run")
    assert other.state_dict()["hyper"] == opt.state_dict()["hyper"]
    train(opt, way, [3, 4])
    train(other, way, [3, 4])
    assert contents(opt) == contents(other)
    back = made(way, weight_decay=0.5)
    take_over(by, made(way), back, tmp_path / "run")  # and switched off again
    plain = made(way)
    train(back, way, [1])
    train(plain, way, [1])
    assert contents(back) == contents(plain)


def test_numbers_of_numpy_are_saved(tmp_path):
    opt = made("dict", lr=np.float32(0.1), eps=np.int64(1), bias_correction=np.bool_(False))
    other = made("dict")
    take_over("file", opt, other, tmp_path / "run")
    train(opt, "dict", [1])
    train(other, "dict", [1])
    assert [a.tobytes() for a in opt._layout.leaves] == [a.tobytes() for a in other._layout.leaves]


def test_a_state_dict_is_a_copy():
    opt = made("packed")
    train(opt, "packed", [1])
    d = opt.state_dict()
    assert list(d) == ["rule", "t", "counts", "hyper", "state"]
    assert (d["rule"], d["t"]) == ("adam", 1)
    assert d["hyper"]["lr"] == 1e-3
    assert list(d["state"]) == ["m", "v"]
    assert list(d["state"]["m"]) == list(draw(0))
    assert d["state"]["m"]["F"].flags.f_contiguous
    kept = {name: a.tobytes() for name, a in d["state"]["m"].items()}
    train(opt, "packed", [2])
    assert kept == {name: a.tobytes() for name, a in d["state"]["m"].items()}
    assert kept["W"] != opt.state["m"]["W"].tobytes()
    live = opt.state["m"]["W"]
    opt.load_state_dict(d)
    d["state"]["m"]["W"][:] = 0
    assert opt.state["m"]["W"] is live
    assert live.tobytes() == kept["W"]
    assert isinstance(made("groups").state_dict()["hyper"], list)


@pytest.mark.parametrize("by", ["dict", "file"])
@pytest.mark.parametrize("way", ["dict", "groups"])
def test_schedules_are_given_again(way, by, tmp_path):
    lr = {} if way == "groups" else {"lr": schedules.cosine(0.1, 20)}
    opt = made(way, betas=(schedules.constant(0.5), 0.9), **lr)
    train(opt, way, range(1, 6))
    hyper = opt.state_dict()["hyper"]
    for one in hyper if way == "groups" else [hyper]:
        assert (one["beta1"], one["beta2"]) == (None, 0.9)
    other = made(way, seed=9)
    refuse(lambda: other.load_state_dict(opt.state_dict()), ValueError, "schedule", "given again", unchanged=[other])
    fastopt.save(tmp_path / "run", opt)
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "schedule", "given again", unchanged=[other])
    other = made(way, seed=9, betas=(schedules.constant(0.5), 0.1), **lr)
    take_over(by, opt, other, tmp_path / "run")
    train(opt, way, range(6, 11))
    train(other, way, range(6, 11))
    assert contents(opt) == contents(other)


# ---------------------------------------------------------------- what does not fit


def changed(d, where, value):
    """The mapping with one entry replaced, or left out (None)."""
    d = dict(d)
    key, *rest = where
    if rest:
        d[key] = changed(d[key], rest, value)
    elif value is None:
        del d[key]
    else:
        d[key] = value
    return d


ONES = np.ones((4, 3))
WRONG = [
    ("no t", ["t"], None, TypeError, "'t'"),
    ("one more", ["extra"], 1, TypeError, "'hyper'"),
    ("rule", ["rule"], "adamax", ValueError, "'adamax'"),
    ("rule of another kind", ["rule"], 3, ValueError, "3"),
    ("t below 0", ["t"], -1, ValueError, "-1"),
    ("t of another kind", ["t"], 1.5, ValueError, "1.5"),
    ("t of bool", ["t"], True, ValueError, "True"),
    ("t beyond all counts", ["t"], 2**63 - 1, ValueError, "2**62"),
    ("t of many digits", ["t"], 10**5000, ValueError, "2**62"),
    ("hyper of another kind", ["hyper"], [], ValueError, "d['hyper']"),
    ("no lr", ["hyper", "lr"], None, ValueError, "d['hyper']"),
    ("another number", ["hyper", "rho"], 0.5, ValueError, "d['hyper']"),
    ("lr below 0", ["hyper", "lr"], -1.0, ValueError, "lr"),
    ("beta of 1", ["hyper", "beta2"], 1.0, ValueError, "beta2"),
    ("lr of nan", ["hyper", "lr"], float("nan"), ValueError, "lr"),
    ("lr of a string", ["hyper", "lr"], "0.1", TypeError, "lr"),
    ("correction of 1", ["hyper", "bias_correction"], 1, TypeError, "bias_correction"),
    ("state of another kind", ["state"], [], ValueError, "d['state']"),
    ("no v", ["state", "v"], None, ValueError, "d['state']"),
    ("another state", ["state", "u"], {}, ValueError, "d['state']"),
    ("no array", ["state", "v", "b"], None, TypeError, "d['state']['v']"),
    ("a list", ["state", "v", "W"], ONES.tolist(), TypeError, "list"),
    ("a dtype", ["state", "v", "W"], ONES.astype("f4"), TypeError, "float32"),
    ("a shape", ["state", "v", "W"], ONES.T, ValueError, "(3, 4)"),
    ("an array for a nest", ["state", "v"], ONES, TypeError, "d['state']['v']"),
]


@pytest.mark.parametrize(("where", "value", "error", "word"), [pytest.param(*row[1:], id=row[0]) for row in WRONG])
def test_state_dicts_that_do_not_fit(where, value, error, word):
    opt, other = made("dict"), made("dict", seed=5)
    train(opt, "dict", [1])
    d = changed(opt.state_dict(), where, value)
    refuse(lambda: other.load_state_dict(d), error, word, unchanged=[other])


@pytest.mark.parametrize("d", [None, [], "d", 3], ids=repr)
def test_state_dicts_that_are_none(d):
    other = made("dict")
    refuse(lambda: other.load_state_dict(d), TypeError, "'rule', 't', 'hyper', 'state'", unchanged=[other])


def test_groups_and_no_groups_do_not_mix():
    flat = fastopt.Adam(list(draw(0).values()))
    groups = fastopt.Adam([{"params": a} for a in draw(0).values()])
    refuse(lambda: flat.load_state_dict(groups.state_dict()), ValueError, "hyper", unchanged=[flat])
    refuse(lambda: groups.load_state_dict(flat.state_dict()), ValueError, "hyper", unchanged=[groups])


def test_the_order_of_names_is_free():
    opt, other = made("dict"), made("dict", seed=5)
    train(opt, "dict", [1])
    d = opt.state_dict()
    d = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in d.items()}
    other.load_state_dict(dict(reversed(d.items())))
    assert contents(opt)[0] == other.t
    assert opt.state["v"]["b"].tobytes() == other.state["v"]["b"].tobytes()
