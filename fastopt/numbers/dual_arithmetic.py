"""Operators on duals: arithmetic, powers, comparisons, conversions. The value is what the element's own arithmetic
gives, to the bit; division is IEEE's.
"""

import math
import operator
from functools import partial

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import signature
from numba.extending import lower_builtin, lower_cast

from . import emitted, functions
from .dual import Dual, Parts, added, joined, spread
from .dual_typing import dual_among, lower, teach, teach_all
from .emit import call_typed
from .emitted import STRICT, Emitted, select
from .power import MOST, integer_power


def add(a, b):
    return joined(a, a.x + b.x, added(a.builder, a.d, b.d))


def sub(a, b):
    return joined(a, a.x - b.x, added(a.builder, a.d, negated(b)))


def negated(a):
    return None if a.d is None else [emitted.negative(a.builder, each) for each in a.d]


def mul(a, b):
    left, right = a.times(b.x) if a.d else None, b.times(a.x) if b.d else None
    return joined(a, a.x * b.x, added(a.builder, left, right))


def div(a, b):
    """(a' - q b') / b with q = a / b."""
    quotient = a.x / b.x
    builder = a.builder
    above = a.d
    if b.d is not None:
        away = [emitted.negative(builder, each) for each in b.times(quotient)]
        above = added(builder, above, away)
    return joined(a, quotient, [builder.fdiv(p, spread(builder, b.x.value, p.type), flags=STRICT) for p in above])


def mod(a, b):
    """a - floor(a / b) b, whose pieces are parallel."""
    value, steps = a.call(operator.mod, a.x, b.x), emitted.floor(a.x / b.x)
    fall = None if b.d is None else b.times(-steps)
    return joined(a, value, added(a.builder, a.d, fall))


def floor_divide(a, b):
    return joined(a, a.call(operator.floordiv, a.x, b.x), None)


def negative(a):
    return joined(a, -a.x, negated(a))


def positive(a):
    return joined(a, a.x, a.d)


_BINARY = {
    add: (operator.add, operator.iadd, np.add),
    sub: (operator.sub, operator.isub, np.subtract),
    mul: (operator.mul, operator.imul, np.multiply),
    div: (operator.truediv, operator.itruediv, np.true_divide),
    mod: (operator.mod, operator.imod, np.remainder),
    floor_divide: (operator.floordiv, operator.ifloordiv, np.floor_divide),
}
for _rule, _names in _BINARY.items():
    teach_all(_names, 2, _rule)
teach_all((operator.neg, np.negative), 1, negative)
teach_all((operator.pos, np.positive, float), 1, positive)

# --- powers ----------------------------------------------------------------------------------------------------------


def power(function, a, b):
    """x**y by ``function``. Of 0**y the slope along y is 0 where y > 0; along x it is 0 where y is the constant 0."""
    value = a.call(function, a.x, b.x)
    along_x = along_y = None
    if a.d is not None:
        slope = b.x * a.call(function, a.x, b.x - 1.0)
        along_x = a.times(slope if b.d is not None else select(b.x.equals(0.0), a.x.like(0.0), slope))
    if b.d is not None:
        at_zero = a.x.equals(0.0) & (b.x > 0.0)
        along_y = b.times(select(at_zero, a.x.like(0.0), value * a.call(math.log, a.x)))
    return joined(a, value, added(a.builder, along_x, along_y))


def _lower_whole(context, builder, sig, args):
    """x**n for a number that stands in the program."""
    a, n = Parts(context, builder, sig.args[0], sig.args[0], args[0]), sig.args[1].literal_value
    slope = float(n) * integer_power(a.x, n - 1) if n else a.x.like(0.0)
    return joined(a, integer_power(a.x, n), a.times(slope))


def _lower_integer(context, builder, sig, args):
    """x**n for a whole number of the program's data."""
    dual, kind = sig.args
    a = Parts(context, builder, dual, dual, args[0])
    n = kind, args[1]
    whole = Emitted(builder, context.cast(builder, args[1], kind, types.int64))
    less = types.int64, select(whole.equals(0), whole, whole - 1).value  # of 0**0 there is nothing to divide
    count = Emitted(builder, context.cast(builder, args[1], kind, a.dual.element))
    slope = count * a.call(operator.pow, a.x, less)
    return joined(a, a.call(operator.pow, a.x, n), a.times(slope))


def _power_typed(typingctx, args):
    if len(args) != 2 or not (dual := dual_among([types.unliteral(a) for a in args])):
        return None
    base, exponent = args
    if isinstance(base, Dual) and isinstance(exponent, types.IntegerLiteral):
        if abs(exponent.literal_value) > MOST:
            exponent = types.unliteral(exponent)
        return signature(dual, base, exponent)
    return signature(dual, *map(types.unliteral, args))


for _name in (operator.pow, operator.ipow, pow):
    teach(_name, _power_typed, prefers_literal=True)
    lower(_name, 2, partial(power, operator.pow))
    lower_builtin(_name, Dual, types.Integer)(_lower_integer)
    lower_builtin(_name, Dual, types.IntegerLiteral)(_lower_whole)
for _name in (np.power, np.float_power, math.pow, functions.pow):
    teach_all((_name,), 2, partial(power, _name))

# --- comparisons and conversions: of the values ----------------------------------------------------------------------


def _compared(function, typingctx, args):
    dual = dual_among(args) if len(args) == 2 else None
    pair = (dual.element, dual.element) if dual else ()
    return typingctx.resolve_function_type(function, pair, {}).return_type if dual else None


def _compare(function, a, b):
    typed = [(a.dual.element, number.value) for number in (a.x, b.x)]
    return call_typed(a.context, a.builder, function, typed)[0]


_COMPARISONS = {
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
}
for _name, _ufunc in _COMPARISONS.items():
    teach_all((_name, _ufunc), 2, partial(_compare, _name), partial(_compared, _name))


def _is_true(a):
    return a.x.differs(0.0).value


def _of_float(kind, typingctx, args):
    """Lanes have no truth value in common."""
    return kind if isinstance(args[0], Dual) and isinstance(args[0].element, types.Float) else None


def _to_whole(a):
    return a.context.cast(a.builder, a.x.value, a.dual.element, types.int64)


teach_all((bool,), 1, _is_true, partial(_of_float, types.boolean))
teach_all((int,), 1, _to_whole, partial(_of_float, types.int64))


@lower_cast(Dual, types.Boolean)
def _dual_to_boolean(context, builder, kind, to, value):
    if not isinstance(kind.element, types.Float):
        raise TypingError(f"{kind} has no truth value: its lanes may differ")
    return _is_true(Parts(context, builder, kind, kind, value))
