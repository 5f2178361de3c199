"""Values to be refused in one short sentence wherever they are given: long, deep, huge, or raising when they are shown.

Each is made anew: some hold themselves.
"""

from collections import UserDict

import numpy as np

WIDE = np.dtype([(f"a_field_with_a_long_name_{k}", "f8") for k in range(60)])


class Raising:
    """Whose text cannot be had."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__


class RaisingInt(int):
    __repr__ = Raising.__repr__
    __str__ = __repr__


class RaisingFloat(float):
    __repr__ = Raising.__repr__
    __str__ = __repr__


class RaisingStr(str):
    __slots__ = ()
    __repr__ = Raising.__repr__
    __str__ = __repr__


class Long:
    def __repr__(self):
        return "long " * 1000


def itself_in_a_list():
    nest = [np.ones(2)]
    nest.append(nest)
    return nest


def itself_in_a_dict():
    nest = {"a": np.ones(2)}
    nest["again"] = [nest]
    return nest


def deep(a=None):
    nest = np.ones(2) if a is None else a
    for _ in range(3000):
        nest = [nest]
    return nest


def in_levels(a=None):
    """A nest within the limit whose names are long all the same."""
    nest = np.ones(2) if a is None else a
    for k in range(90):
        nest = {f"level {k} " + "x" * 50: nest}
    return nest


VALUES = {
    "a long string": lambda: "x" * 10**6,
    "a string of lines": lambda: "x\n" * 500,
    "long bytes": lambda: b"x" * 10**6,
    "an int of many digits": lambda: 10**5000,
    "a negative one": lambda: -(10**5000),
    "a complex number": lambda: 1e300 + 1e300j,
    "a long repr": Long,
    "no repr": Raising,
    "an int without": lambda: RaisingInt(-7),
    "a float without": lambda: RaisingFloat(-7.5),
    "a string without": lambda: RaisingStr("x"),
    "a long name": lambda: type("A" * 1000, (), {})(),
    "an array of 64 dimensions": lambda: np.ones((1,) * 64),
    "an array of none": lambda: np.ones((0,) * 64),
    "an array of wide records": lambda: np.zeros(2, WIDE),
    "a wide record": lambda: np.zeros(1, WIDE)[0],
    "an array of objects": lambda: np.array([Raising(), None], object),
    "an array of long strings": lambda: np.array(["x" * 1000]),
    "a list that holds itself": itself_in_a_list,
    "a dict that holds itself": itself_in_a_dict,
    "a deep list": deep,
    "long names": lambda: in_levels("x"),
    "long keys": lambda: {"k" * 1000: 1.0, "q" * 1000: 2.0},
    "keys without repr": lambda: {Raising(): 1.0},
    "a mapping of many": lambda: UserDict(dict.fromkeys(range(5000), 1.0)),
    "a list of many": lambda: [1.0] * 5000,
    "a set": lambda: {1, 2},
    "nan": lambda: float("nan"),
    "a type": lambda: Raising,
    "a function": lambda: deep,
}
