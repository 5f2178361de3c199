"""Named tuple classes that any process can make again from their names."""

import pickle
import subprocess
import sys

import pytest

from fastopt.arrays import namedtuples
from fastopt.arrays.namedtuples import is_field, record


def test_a_class_is_made_once():
    made = record(["W", "b"])
    assert made is record(("W", "b"))
    assert made._fields == ("W", "b")
    assert made(1, 2).b == 2
    assert getattr(namedtuples, made.__name__) is made
    assert (made.__module__, made.__qualname__) == ("fastopt.arrays.namedtuples", made.__name__)


@pytest.mark.parametrize(
    "keys", [("a",), ("a", "b1"), ("a1", "b"), ("b", "a"), ("W1", "b1", "W2"), ("Record_1a",), ("x" * 300,), ("ä", "Ψ")]
)
def test_names_tell_classes_apart(keys):
    made = record(keys)
    assert made._fields == keys
    del vars(namedtuples)[made.__name__]  # as in another process
    again = getattr(namedtuples, made.__name__)
    assert again._fields == keys
    assert record(keys) is again


def test_names_that_split_in_two_ways_would_collide():
    keys = [("a", "b"), ("ab",), ("a1b",), ("a_1b",), ("a", "_1b"[1:].lstrip("1")), ("aa", "b"), ("a", "ab")]
    assert len({record(k).__name__ for k in keys}) == len(set(keys))


@pytest.mark.parametrize(
    "name",
    ["Record_", "Record_1", "Record_2a", "Record_1ab", "Record_0", "Record_1_", "Record_5class", "Other", "Record_1a "],
)
def test_other_names_are_no_attributes(name):
    with pytest.raises(AttributeError, match="has no attribute"):
        getattr(namedtuples, name)
    assert not hasattr(namedtuples, name)


def test_fields():
    assert all(map(is_field, ["W", "w1", "a_b", "count", "match", "é"]))
    assert not any(map(is_field, ["", "1a", "a b", "a-b", "class", "None", "_a", 1, None, ("a",), b"a"]))


@pytest.mark.parametrize("path", [b"fastopt.arrays.namedtuples", b"fastopt.records"])
def test_classes_pickle_into_another_process(path):
    """Also by the path that older caches of users hold."""
    raw = pickle.dumps(record(("W", "bias"))(1, 2), protocol=0)
    assert raw.count(b"fastopt.arrays.namedtuples") == 1
    raw = raw.replace(b"fastopt.arrays.namedtuples", path)
    code = f"import pickle; r = pickle.loads({raw!r}); print(r.W, r.bias, type(r).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "Record_1W4bias"]
