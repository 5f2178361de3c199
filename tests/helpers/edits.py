"""Modules of a user's, each with a construct of Numba's, and an edit of it after which no old code may run."""

from typing import NamedTuple

START = """
import ctypes, enum, math, operator, types as python_types
from collections import namedtuple
import numba, numpy as np
from numba import cfunc, float64, guvectorize, int64, njit, stencil, types, vectorize
from numba.experimental import jitclass
from numba.extending import (
    intrinsic, lower_builtin, overload, overload_attribute, overload_method, register_jitable, type_callable
)
"""


class Edit(NamedTuple):
    """``text`` defines what ``body`` uses, which is a function of an array x; ``old`` becomes ``new`` in the text.

    ``kept``: whether its compiled code is kept on disk; what the digest cannot see through is not.
    ``wide``: whether it is an edit of what any code may call, so that all other code is compiled anew, too.
    """

    name: str
    text: str
    body: str
    old: str
    new: str
    kept: bool = True
    wide: bool = False

    def module(self):
        return f"{START}{self.text}\n@njit\ndef value(x):\n    {self.body}\n"


EDITS = [
    Edit(
        "jitclass_method",
        "@jitclass([('k', float64)])\nclass Thing:\n    def __init__(self, k): self.k = k\n"
        "    def times(self, a): return self.k * a * 2.0",
        "return Thing(3.0).times(x[0])",
        "* 2.0",
        "* 4.0",
    ),
    Edit(
        "jitclass_init",
        "@jitclass([('k', float64)])\nclass Thing:\n    def __init__(self, k): self.k = k + 1.0\n"
        "    @property\n    def twice(self): return self.k * 2.0",
        "return Thing(3.0).twice",
        "k + 1.0",
        "k - 1.0",
    ),
    Edit(
        "jitclass_spec",
        "@jitclass([('k', numba.int32)])\nclass Thing:\n    def __init__(self, k): self.k = k",
        "return Thing(3.75).k + x[0]",
        "numba.int32",
        "float64",
    ),
    Edit(
        "enum", "class Kind(enum.Enum):\n    A = 2.0\n    B = 3.0", "return Kind.A.value * x[0]", "A = 2.0", "A = 5.0"
    ),
    Edit("int_enum", "class Kind(enum.IntEnum):\n    A = 2", "return x[Kind.A]", "A = 2", "A = 1"),
    Edit("enum_member", "class Kind(enum.IntEnum):\n    A = 2\nKIND = Kind.A", "return x[KIND]", "A = 2", "A = 1"),
    Edit(
        "namedtuple_order",
        "Pair = namedtuple('Pair', 'a b')",
        "return Pair(x[0], x[1]).a",
        "'a b'",
        "'b a'",
    ),
    Edit(
        "namedtuple_value",
        "PAIR = namedtuple('Pair', 'a b')(1.0, 2.0)",
        "return PAIR.a",
        "'a b'",
        "'b a'",
    ),
    Edit(
        "overload",
        "def helper(a): pass\n@overload(helper)\ndef _helper(a): return lambda a: a * 2.0",
        "return helper(x[0])",
        "2.0",
        "3.0",
    ),
    Edit(
        "overload_of_a_library",
        "@overload(math.dist)\ndef _dist(a, b): return lambda a, b: (a - b) * 2.0",
        "return math.dist(x[0], x[1])",
        "2.0",
        "3.0",
    ),
    Edit(
        "overload_of_an_operator",
        "@overload(operator.invert)\ndef _invert(a):\n"
        "    if isinstance(a, types.Float): return lambda a: a * FACTOR\nFACTOR = 2.0",
        "return ~x[0]",
        "FACTOR = 2.0",
        "FACTOR = 3.0",
        wide=True,
    ),
    Edit(
        "overload_method",
        "@overload_method(types.Array, 'weighed')\ndef _weighed(a): return lambda a: deep(a[0])\n"
        "@register_jitable\ndef deep(a): return a * 2.0",
        "return x.weighed()",
        "2.0",
        "3.0",
    ),
    Edit(
        "overload_attribute",
        "@overload_attribute(types.Array, 'leading')\ndef _leading(a): return lambda a: a[0] * 2.0",
        "return x.leading",
        "2.0",
        "3.0",
    ),
    Edit(
        "intrinsic",
        "@intrinsic\ndef number(context):\n"
        "    return float64(), lambda context, builder, signature, args: context.get_constant(float64, 2.0)",
        "return number()",
        "2.0",
        "3.0",
    ),
    Edit(
        "low_level",
        "def lowered(a): pass\n@type_callable(lowered)\ndef _typed(context): return lambda a: float64\n"
        "@lower_builtin(lowered, float64)\ndef _lowered(context, builder, signature, args):\n"
        "    return context.get_constant(float64, 2.0)",
        "return lowered(x[0])",
        "2.0",
        "3.0",
    ),
    Edit("stencil", "@stencil\ndef near(a): return a[0] + a[1] * 2.0", "return near(x)[0]", "2.0", "3.0"),
    Edit(
        "stencil_options",
        "@stencil(cval=2.0)\ndef near(a): return a[1]",
        "return near(x)[-1]",
        "2.0",
        "3.0",
    ),
    Edit("vectorize", "@vectorize\ndef scaled(a): return a * 2.0", "return scaled(x)[0]", "2.0", "3.0"),
    Edit(
        "guvectorize",
        "@guvectorize([(float64[:], float64[:])], '(n)->(n)')\ndef scaled(a, out):\n"
        "    for i in range(a.size): out[i] = a[i] * 2.0",
        "out = np.empty_like(x)\n    scaled(x, out)\n    return out[0]",
        "2.0",
        "3.0",
    ),
    Edit(
        "locals",
        "@njit(locals={'b': float64})\ndef cut(a):\n    b = a\n    return b + 0.0",
        "return cut(x[2])",
        "'b': float64",
        "'b': int64",
    ),
    Edit("closure", "def make(k): return njit(lambda a: a * k)\nf = make(2.0)", "return f(x[0])", "2.0", "3.0"),
    Edit(
        "alias",
        "@njit\ndef a(v): return v\n@njit\ndef b(v): return v * 3.0\nthird = a",
        "return a(x[0]) + b(x[0]) + third(x[0])",
        "third = a",
        "third = b",
    ),
    Edit(
        "alias_of_a_module",
        "one, two = python_types.ModuleType('m'), python_types.ModuleType('m')\none.k, two.k = 1.0, 2.0\nwhich = one",
        "return one.k + two.k + which.k",
        "which = one",
        "which = two",
    ),
    Edit(
        "alias_of_an_enum",
        "def make(k):\n    class Kind(enum.Enum):\n        A = k\n    return Kind\n"
        "One, Two = make(1.0), make(2.0)\nWhich = One",
        "return One.A.value + Two.A.value + Which.A.value",
        "Which = One",
        "Which = Two",
    ),
    Edit(
        "order_in_a_tuple",
        "PAIR = (2.0, 'a')",
        "return 2.0 if isinstance(PAIR[0], str) else 3.0",
        "(2.0, 'a')",
        "('a', 2.0)",
    ),
    Edit(
        "signature",
        "@njit('float64(float64)')\ndef h(a): return a / 3.0",
        "return h(x[0])",
        "'float64(float64)'",
        "'float32(float32)'",
    ),
    Edit(
        "order_of_signatures",
        "@njit(['float64(float64)', 'float32(float32)'][::1])\ndef h(a): return a / 3.0",
        "return h(numba.int64(x[0]))",
        "[::1]",
        "[1:]",
    ),
    Edit(
        "vectorize_types",
        "@vectorize(['float64(float64)'])\ndef h(a): return a / 3.0",
        "return h(numba.int8(x[0])) + 0.0",
        "'float64(float64)'",
        "'float32(float32)'",
    ),
    Edit(
        "overload_by_another_name",
        "def stub(a): pass\n@overload(stub)\ndef _stub(a): return lambda a: a * 2.0\ncalled = stub",
        "return called(x[0])",
        "2.0",
        "3.0",
    ),
    Edit(
        "overload_of_a_library_by_another_name",
        "from math import comb as choose\n@overload(math.comb)\ndef _comb(n, k): return lambda n, k: (n - k) * 2.0",
        "return choose(x[0], x[1])",
        "2.0",
        "3.0",
    ),
    Edit(
        "overload_by_another_attribute",  # the function's own name is conjugate
        "@overload(np.conj)\ndef _conj(a, b, c): return lambda a, b, c: a * 2.0",
        "return np.conj(x[0], 1, 'c')",
        "2.0",
        "3.0",
    ),
    Edit("type", "KIND = numba.int32", "return np.array([3.75, 1.0]).astype(KIND)[0] + 0.0", "numba.int32", "float64"),
    Edit(
        "dotted_path",
        "K = 2.0\nimport sys\nhere = sys.modules[__name__]",  # a module that holds itself
        "return here.here.K",
        "K = 2.0",
        "K = 3.0",
    ),
    Edit(
        "cfunc",
        "@cfunc(float64(float64))\ndef called(a): return a * 2.0",
        "return called(x[0])",
        "2.0",
        "3.0",
        kept=False,
    ),
    Edit(
        "ctypes",
        "@cfunc(float64(float64))\ndef made(a): return a * 2.0\ncalled = made.ctypes",
        "return called(x[0])",
        "2.0",
        "3.0",
        kept=False,
    ),
]


def kernel(x):
    return value(x)


def value(x):
    """Stands for that of a module."""


# What each module's function gives when it is called, and bound into a kernel that is cached.
CODE = """
from importlib import import_module
from numba import float64
from fastopt.kernels.bind import compiled
from fastopt.linking import link
import edits

for edit in edits.EDITS:
    x, f = np.array([1.25, 2.5, 3.75]), import_module(f"user_{edit.name}").value
    answers[f"called {edit.name}"] = f(x)
    kernel = compiled(link(edits.kernel, value=f), f"kernel_{edit.name}", float64(float64[::1]))
    answers[f"kernel {edit.name}"] = kernel(x)
"""
