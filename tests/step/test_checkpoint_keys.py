"""Which array of a file is loaded into which parameter: by keys in full, in any order, and by nothing else."""

import enum
import itertools

import numpy as np
import pytest
from checkpoints import write_first_format
from refusals import refuse

import fastopt
from fastopt.step.matching import matched

LAYER = "transformer.encoder.layer.0.attention.{}.weight"


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Alike:
    def __repr__(self):
        return "Alike()"


NESTS = [  # keys that are alike, of one mapping
    [LAYER.format("query"), LAYER.format("value")],
    ["a b", "a  b", "a\tb", "a\nb", "a\\nb"],
    [1, "1", 2.5, "2.5", None, "None", b"a", "b'a'", "'1'", (1, "a"), "(1, 'a')", Colour.RED, Colour.BLUE],
    [True, "True", 0, -1, "0", 10**5000, 10**5000 + 1],
    ["a']['b", "a", 'a"]["b', "]", "", " "],
    ["k" * 500 + end for end in "abc"],
]
each_nest = pytest.mark.parametrize("keys", NESTS, ids=["long", "spaces", "kinds", "numbers", "brackets", "longer"])


def filled(keys):
    """A mapping whose k-th array holds k; SGD has no state, so that nothing compiles."""
    return {key: np.full(2, float(k)) for k, key in enumerate(keys)}


def stepped(params):
    opt = fastopt.Momentum(params, lr=1.0)
    opt.step({key: a.copy() for key, a in params.items()})
    return opt


@each_nest
def test_keys_in_another_order_load_by_key(keys, tmp_path):
    opt = stepped(filled(keys))
    fastopt.save(tmp_path / "run", opt)
    for order in itertools.islice(itertools.permutations(keys), 1, 7):
        other = fastopt.Momentum({key: np.zeros(2) for key in order})
        fastopt.load(tmp_path / "run", other)
        for key in keys:
            assert other.params[key].tobytes() == opt.params[key].tobytes()
            assert other.state["b"][key].tobytes() == opt.state["b"][key].tobytes()


@each_nest
def test_another_key_is_another_parameter(keys, tmp_path):
    """However alike: each of them alone is not what any other is."""
    for mine, theirs in itertools.permutations(keys, 2):
        fastopt.save(tmp_path / "run", fastopt.SGD({mine: np.zeros(2), "c": np.zeros(2)}))
        other = fastopt.SGD({theirs: np.ones(2), "c": np.ones(2)})
        refuse(lambda other=other: fastopt.load(tmp_path / "run", other), ValueError, "instead", unchanged=[other])


def test_counts_load_by_key(tmp_path):
    opt = fastopt.Momentum(filled("ab"))
    opt.step({"a": np.ones(2), "b": None})
    fastopt.save(tmp_path / "run", opt)
    other = fastopt.Momentum({"b": np.zeros(2), "a": np.zeros(2)})
    fastopt.load(tmp_path / "run", other)
    assert other.counts == {"a": 1, "b": 0}


def test_positions_are_no_keys(tmp_path):
    fastopt.save(tmp_path / "run", fastopt.SGD([np.zeros(2), np.ones(2)]))
    for params in (filled([1, 0]), filled(["0", "1"]), [filled([0]), np.zeros(2)]):
        other = fastopt.SGD(params)
        refuse(lambda other=other: fastopt.load(tmp_path / "run", other), ValueError, "params[", unchanged=[other])


def test_a_mismatch_names_the_first_difference(tmp_path):
    fastopt.save(tmp_path / "run", fastopt.SGD(filled([LAYER.format("query"), "b"])))
    other = fastopt.SGD(filled([LAYER.format("value"), "b"]))
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "value.weight", "query.weight", "instead")
    refuse(lambda: fastopt.load(tmp_path / "run", fastopt.SGD(filled("b"))), ValueError, "query.weight", "too")
    more = fastopt.SGD(filled([LAYER.format("query"), "b", "c"]))
    refuse(lambda: fastopt.load(tmp_path / "run", more), ValueError, "params['c']", "without it")


def test_keys_that_repr_does_not_tell_apart(tmp_path):
    opt = fastopt.SGD(filled([Alike(), Alike()]))
    refuse(lambda: fastopt.save(tmp_path / "run", opt), ValueError, "Alike()", "twice")
    assert not (tmp_path / "run").exists()


def test_packed_gradients_match_by_keys_in_full():
    """Of one layout are those nests alone whose keys are the same, in one order."""
    keys = [LAYER.format("query"), LAYER.format("value")]
    params, grads = fastopt.pack(filled(keys)), fastopt.pack(filled(keys[::-1]))
    before = {key: a.copy() for key, a in params.items()}
    fastopt.SGD(params, lr=1.0).step(grads)
    for key in keys:
        assert np.array_equal(params[key], before[key] - grads[key])


class Counted(tuple):
    """A place that counts how often it is looked up."""

    hashed = 0

    def __hash__(self):
        Counted.hashed += 1
        return super().__hash__()


def test_matching_takes_time_in_proportion(monkeypatch):
    mine = [Counted((f"'{i}'",)) for i in range(200)]
    monkeypatch.setattr("fastopt.step.matching.places_of", lambda layout: mine)
    header = {"paths": [list(place) for place in reversed(mine)]}
    Counted.hashed = 0
    assert matched(None, header, "run") == list(range(200))[::-1]
    assert Counted.hashed <= 10 * len(mine)


# ---------------------------------------------------------------- files of the first format


@pytest.mark.parametrize("keys", [["W", "b"], [1, "1", "a'b"]], ids=repr)
def test_old_files_load_where_their_names_are_whole(keys, tmp_path):
    opt = stepped(filled(keys))
    write_first_format(tmp_path / "run", opt)
    other = fastopt.Momentum({key: np.zeros(2) for key in reversed(keys)})
    fastopt.load(tmp_path / "run", other)
    assert other.t == 1
    for key in keys:
        assert other.params[key].tobytes() == opt.params[key].tobytes()
        assert other.state["b"][key].tobytes() == opt.state["b"][key].tobytes()


@pytest.mark.parametrize(
    "keys", [[LAYER.format("query"), LAYER.format("value")], ["a b", "a  b"], ["k" * 500]], ids=repr
)
def test_old_files_with_cut_names_are_refused(keys, tmp_path):
    opt = stepped(filled(keys))
    write_first_format(tmp_path / "run", opt)
    other = fastopt.Momentum(filled(keys[::-1]))
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "saved anew", "cuts", unchanged=[other])


def test_old_files_of_other_parameters(tmp_path):
    write_first_format(tmp_path / "run", fastopt.SGD(filled("ab")))
    other = fastopt.SGD(filled("ac"))
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "params['c']", "params['b']", unchanged=[other])
    write_first_format(tmp_path / "run", fastopt.SGD(filled("ab")), ["params['a']", "params['a']"])
    other = fastopt.SGD(filled("a"))
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "params['a']", unchanged=[other])


@pytest.mark.parametrize("hold", [lambda w: {"w": w}, lambda w: [{"params": w, "lr": 0.5}, {"params": w + 1}]])
def test_old_files_of_rules_with_fewer_hyperparameters(hold, tmp_path):
    """What they did not have yet has its default, whatever the optimiser that loads was made with."""
    opt = fastopt.Adam(hold(np.ones(2)), lr=0.1)
    write_first_format(tmp_path / "run", opt, without=["eps_before_correction"])
    other = fastopt.Adam(hold(np.zeros(2)), eps_before_correction=True)
    fastopt.load(tmp_path / "run", other)
    assert other.state_dict()["hyper"] == opt.state_dict()["hyper"]


@pytest.mark.parametrize("name", [5, None, ["a"], True])
def test_names_of_old_files_are_text(name, tmp_path):
    other = fastopt.SGD(filled("a"))
    write_first_format(tmp_path / "run", other, [name])
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "run", unchanged=[other])
