"""Named tuple classes that any process can make again from their names."""

import pickle
import subprocess
import sys

import pytest

from fastopt import records
from fastopt.records import is_field, record


def test_a_class_is_made_once():
    made = record(["W", "b"])
    assert made is record(("W", "b"))
    assert made._fields == ("W", "b")
    assert made(1, 2).b == 2
    assert getattr(records, made.__name__) is made
    assert (made.__module__, made.__qualname__) == ("fastopt.records", made.__name__)


@pytest.mark.parametrize(
    "keys", [("a",), ("a", "b1"), ("a1", "b"), ("b", "a"), ("W1", "b1", "W2"), ("Record_1a",), ("x" * 300,), ("ä", "Ψ")]
)
def test_names_tell_classes_apart(keys):
    made = record(keys)
    assert made._fields == keys
    del vars(records)[made.__name__]  # as in another process
    again = getattr(records, made.__name__)
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
        getattr(records, name)
    assert not hasattr(records, name)


def test_fields():
    assert all(map(is_field, ["W", "w1", "a_b", "count", "match", "é"]))
    assert not any(map(is_field, ["", "1a", "a b", "a-b", "class", "None", "_a", 1, None, ("a",), b"a"]))


def test_records_pickle_into_another_process():
    raw = pickle.dumps(record(("W", "bias"))(1, 2))
    code = f"import pickle; r = pickle.loads({raw!r}); print(r.W, r.bias, type(r).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "Record_1W4bias"]
