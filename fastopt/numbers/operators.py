"""What Python and NumPy do with numbers, for lanes: operators, comparisons, what is selected, rounded, asked."""

import math
import operator
from collections.abc import Callable
from functools import reduce

import numpy as np
from numba import types
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from .emitted import absolute, ceil, copysign, floor, rint, select, sqrt, trunc
from .lane import Lane, Mask
from .stamp import stamp
from .teach import OnCPU, joined, teach

INF = math.inf
Texts = dict[tuple, Callable]  # the functions that Numba is taught, and what they are


def modulo(x, y):
    """Python's: the sign is that of y."""
    rest = type(x)(x.builder, x.builder.frem(x.value, y.value))
    wrong = rest.differs(0.0) & ((rest < 0.0) ^ (y < 0.0))
    return select(wrong, rest + y, copysign(rest, select(rest.differs(0.0), rest, y)))


def floor_divide(x, y):
    """As NumPy has it, which is exact where floor(x/y) would round."""
    whole = (x - modulo(x, y)) / y
    down = floor(whole)
    return select(y.equals(0.0), x / y, select(whole - down > 0.5, down + 1.0, down))


def least(x, y):
    """Python's min: the first, unless the second is less."""
    return select(y < x, y, x)


def most(x, y):
    return select(y > x, y, x)


def minimum(x, y):
    """NumPy's: NaN where either is."""
    return select((x <= y) | x.differs(x), x, y)


def maximum(x, y):
    return select((x >= y) | x.differs(x), x, y)


def fmin(x, y):
    """NaN only where both are."""
    return select((x <= y) | y.differs(y), x, y)


def fmax(x, y):
    return select((x >= y) | y.differs(y), x, y)


def sign(x):
    return select(x > 0.0, x.like(1.0), select(x < 0.0, x.like(-1.0), select(x.equals(0.0), x.like(0.0), x)))


def clip(x, low, high):
    return minimum(maximum(x, low), high)


BINARY: Texts = {
    (operator.add, operator.iadd, np.add): lambda x, y: x + y,
    (operator.sub, operator.isub, np.subtract): lambda x, y: x - y,
    (operator.mul, operator.imul, np.multiply): lambda x, y: x * y,
    (operator.truediv, operator.itruediv, np.divide): lambda x, y: x / y,
    (operator.mod, operator.imod, np.remainder): modulo,
    (operator.floordiv, operator.ifloordiv, np.floor_divide): floor_divide,
    (np.minimum,): minimum,
    (np.maximum,): maximum,
    (np.fmin,): fmin,
    (np.fmax,): fmax,
    (math.copysign, np.copysign): copysign,
}
UNARY: Texts = {
    (operator.neg, np.negative): lambda x: -x,
    (operator.pos, np.positive): lambda x: x,
    (abs, math.fabs, np.absolute, np.fabs): absolute,
    (float,): lambda x: x,
    (math.radians, np.radians, np.deg2rad): lambda x: x * (math.pi / 180),
    (math.degrees, np.degrees, np.rad2deg): lambda x: x * (180 / math.pi),
    (np.square,): lambda x: x * x,
    (np.reciprocal,): lambda x: 1.0 / x,
    (math.sqrt, np.sqrt): sqrt,
    (math.floor, np.floor): floor,
    (math.ceil, np.ceil): ceil,
    (math.trunc, np.trunc): trunc,
    (np.rint,): rint,
    (np.sign,): sign,
}
COMPARISONS: dict[tuple, str] = {
    (operator.lt, np.less): "<",
    (operator.le, np.less_equal): "<=",
    (operator.gt, np.greater): ">",
    (operator.ge, np.greater_equal): ">=",
    (operator.eq, np.equal): "==",
    (operator.ne, np.not_equal): "!=",
}
QUESTIONS: Texts = {
    (math.isnan, np.isnan): lambda x: x.differs(x),
    (math.isinf, np.isinf): lambda x: absolute(x).equals(INF),
    (math.isfinite, np.isfinite): lambda x: absolute(x) < INF,
}
OF_MASKS: Texts = {
    (operator.and_, operator.iand, np.logical_and, np.bitwise_and): lambda p, q: p & q,
    (operator.or_, operator.ior, np.logical_or, np.bitwise_or): lambda p, q: p | q,
    (operator.xor, operator.ixor, np.logical_xor, np.bitwise_xor): lambda p, q: p ^ q,
}


def _comparison(compared):
    return lambda x, y: x.compare(compared, y)


for keys, text in BINARY.items():
    teach(keys, text, 2)
for keys, compared in COMPARISONS.items():
    teach(keys, _comparison(compared), 2, gives="mask")
for keys, text in OF_MASKS.items():
    teach(keys, text, 2, takes=Mask)
for keys, text in UNARY.items():
    teach(keys, text)
for keys, text in QUESTIONS.items():
    teach(keys, text, gives="mask")
teach((operator.invert, np.logical_not, np.bitwise_not), lambda p: ~p, takes=Mask)
teach((np.clip,), clip, 3)
for count in range(2, 6):  # Python takes any number
    teach((min,), lambda *values: reduce(least, values), count)
    teach((max,), lambda *values: reduce(most, values), count)


class Where(OnCPU):
    """``np.where`` of a mask, or of one truth for all lanes."""

    def generic(self, args, kws):
        if kws or len(args) != 3 or not isinstance(args[0], (Mask, types.Boolean)):
            return None
        kind = joined(args if isinstance(args[0], Mask) else args[1:])
        return signature(kind, args[0], kind, kind) if kind else None


@lower_builtin(np.where, Mask, Lane, Lane)
@lower_builtin(np.where, types.Boolean, Lane, Lane)
def _where(context, builder, sig, args):
    stamp(context)
    return builder.select(*args)


infer_global(np.where)(Where)
