"""The functions of ``math`` and NumPy with their derivatives, a line of calculus for each.

``x`` is the argument, ``f`` the value, ``m(function, x)`` calls another function. At corners the derivative is that of
ForwardDiff.jl.
"""

import math
from functools import partial

import numpy as np
from numba import types
from numba.core.typing.templates import signature
from numba.extending import lower_builtin

from . import functions as jit
from .digamma import digamma
from .dual import Dual, Parts, added, joined
from .dual_typing import dual_among, teach, teach_all
from .emit import call_typed, sign
from .emitted import Emitted, select, trunc
from .lane import Mask

LN2, LN10, ROOT_PI, DEGREE = math.log(2.0), math.log(10.0), math.sqrt(math.pi), math.pi / 180


def _sech2(x, m):
    """1 - tanh², where that would cancel."""
    e = m(math.exp, -2.0 * x * sign(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _zero(x, f, m):
    return x.like(0.0)


UNARY: dict = {
    (math.exp, np.exp, jit.exp): lambda x, f, m: f,
    (np.exp2,): lambda x, f, m: LN2 * f,
    (math.expm1, np.expm1, jit.expm1): lambda x, f, m: m(math.exp, x),
    (math.log, np.log, jit.log): lambda x, f, m: 1.0 / x,
    (math.log1p, np.log1p, jit.log1p): lambda x, f, m: 1.0 / (1.0 + x),
    (math.log2, np.log2): lambda x, f, m: 1.0 / (LN2 * x),
    (math.log10, np.log10): lambda x, f, m: 1.0 / (LN10 * x),
    (math.sqrt, np.sqrt): lambda x, f, m: 0.5 / f,
    (np.cbrt,): lambda x, f, m: 1.0 / (3.0 * f * f),
    (np.square,): lambda x, f, m: 2.0 * x,
    (np.reciprocal,): lambda x, f, m: -f * f,
    (math.sin, np.sin, jit.sin): lambda x, f, m: m(math.cos, x),
    (math.cos, np.cos, jit.cos): lambda x, f, m: -m(math.sin, x),
    (math.tan, np.tan): lambda x, f, m: 1.0 + f * f,
    (math.asin, np.arcsin): lambda x, f, m: 1.0 / m(math.sqrt, (1.0 - x) * (1.0 + x)),
    (math.acos, np.arccos): lambda x, f, m: -1.0 / m(math.sqrt, (1.0 - x) * (1.0 + x)),
    (math.atan, np.arctan): lambda x, f, m: 1.0 / (1.0 + x * x),
    (math.sinh, np.sinh): lambda x, f, m: m(math.cosh, x),
    (math.cosh, np.cosh): lambda x, f, m: m(math.sinh, x),
    (math.tanh, np.tanh, jit.tanh): lambda x, f, m: _sech2(x, m),
    (math.asinh, np.arcsinh): lambda x, f, m: 1.0 / m(math.sqrt, 1.0 + x * x),
    (math.acosh, np.arccosh): lambda x, f, m: 1.0 / (m(math.sqrt, x - 1.0) * m(math.sqrt, x + 1.0)),
    (math.atanh, np.arctanh): lambda x, f, m: 1.0 / ((1.0 - x) * (1.0 + x)),
    (math.erf,): lambda x, f, m: 2.0 / ROOT_PI * m(math.exp, -x * x),
    (math.erfc,): lambda x, f, m: -2.0 / ROOT_PI * m(math.exp, -x * x),
    (math.gamma,): lambda x, f, m: f * m(digamma, x),
    (math.lgamma,): lambda x, f, m: m(digamma, x),
    (abs, math.fabs, np.absolute, np.fabs): lambda x, f, m: sign(x),
    (math.radians, np.radians, np.deg2rad): lambda x, f, m: x.like(DEGREE),
    (math.degrees, np.degrees, np.rad2deg): lambda x, f, m: x.like(1.0 / DEGREE),
    (jit.sigmoid,): lambda x, f, m: f * m(jit.sigmoid, -x),
    (jit.softplus,): lambda x, f, m: m(jit.sigmoid, x),
    (np.sign, np.floor, np.ceil, np.trunc, np.rint): _zero,
}

BINARY: dict = {  # the derivatives along x, and along y
    (math.atan2, np.arctan2): (lambda x, y, f, m: y / (x * x + y * y), lambda x, y, f, m: -x / (x * x + y * y)),
    (math.hypot, np.hypot): (lambda x, y, f, m: x / f, lambda x, y, f, m: y / f),
    (math.copysign, np.copysign): (lambda x, y, f, m: sign(x) * sign(y), lambda x, y, f, m: x.like(0.0)),
    (np.fmod,): (lambda x, y, f, m: x.like(1.0), lambda x, y, f, m: -trunc(x / y)),
    (np.logaddexp,): (lambda x, y, f, m: m(math.exp, x - f), lambda x, y, f, m: m(math.exp, y - f)),
    (max, np.maximum, np.fmax): (  # of a number and NaN, where that is a number, the number
        lambda x, y, f, m: select((x > y) | y.differs(y), x.like(1.0), 0.0),
        lambda x, y, f, m: select((x > y) | y.differs(y), x.like(0.0), 1.0),
    ),
    (min, np.minimum, np.fmin): (
        lambda x, y, f, m: select((x > y) | x.differs(x), x.like(0.0), 1.0),
        lambda x, y, f, m: select((x > y) | x.differs(x), x.like(1.0), 0.0),
    ),
}


def unary(function, slope, a):
    f = a.call(function, a.x)
    return joined(a, f, a.times(slope(a.x, f, a.call)))


def _binary(function, along_x, along_y, a, b):
    f = a.call(function, a.x, b.x)
    left = a.times(along_x(a.x, b.x, f, a.call)) if a.d else None
    right = b.times(along_y(a.x, b.x, f, a.call)) if b.d else None
    return joined(a, f, added(a.builder, left, right))


def _register():
    for functions, slope in UNARY.items():
        for function in functions:
            teach_all((function,), 1, partial(unary, function, slope))
    for functions, slopes in BINARY.items():
        for function in functions:
            teach_all((function,), 2, partial(_binary, function, *slopes))


# --- functions of the value that have no slope, or choose ------------------------------------------------------------

PREDICATES = math.isnan, math.isinf, math.isfinite, np.isnan, np.isinf, np.isfinite, np.signbit
TO_WHOLE = math.floor, math.ceil, math.trunc


def _of_value(function, typingctx, args):
    dual = dual_among(args)
    return typingctx.resolve_function_type(function, (dual.element,), {}).return_type if dual else None


def _from_value(function, a):
    return call_typed(a.context, a.builder, function, [(a.dual.element, a.x.value)])[0]


def chosen(condition, a, b):
    """The first where the condition holds, an LLVM value; else the second."""
    builder, parts = a.builder, [joined(each, each.x, each.d) for each in (a, b)]
    each = [[builder.extract_value(part, i) for i in range(len(part.type.elements))] for part in parts]
    picked = [builder.select(condition, p, q) for p, q in zip(*each)]
    return joined(a, Emitted(builder, picked[0]), picked[1:])


def _lower_where(context, builder, sig, args):
    dual = dual_among(sig.args[1:])
    condition, *values = zip(sig.args, args)
    a, b = (Parts(context, builder, dual, *each) for each in values)
    kind, truth = condition
    return chosen(truth if isinstance(kind, Mask) else context.cast(builder, truth, kind, types.boolean), a, b)


def _where_typed(typingctx, args):
    if len(args) != 3 or not isinstance(args[0], (types.Boolean, types.Number, Mask)):
        return None
    return dual_among(args[1:])


def clip(a, low, high):
    """The slope within the bounds, and on them."""
    above = Parts(a.context, a.builder, a.dual, a.dual, chosen((a.x < low.x).value, low, a))
    return chosen((above.x > high.x).value, high, above)


def _several(smaller_or_larger):
    """``max(a, b, c, ...)``: of pairs."""

    def typed(typingctx, args):
        dual = dual_among(args) if 3 <= len(args) <= MOST else None
        return signature(dual, *[dual] * len(args)) if dual else None

    teach(smaller_or_larger, typed)

    def lowered(context, builder, sig, args):
        dual = sig.return_type
        first, *rest = (Parts(context, builder, dual, dual, value) for value in args)
        slopes = BINARY[max, np.maximum, np.fmax] if smaller_or_larger is max else BINARY[min, np.minimum, np.fmin]
        for other in rest:
            both = _binary(smaller_or_larger, slopes[0], slopes[1], first, other)
            first = Parts(context, builder, dual, dual, both)
        return joined(first, first.x, first.d)

    for count in range(3, MOST + 1):
        lower_builtin(smaller_or_larger, *[Dual] * count)(lowered)


MOST = 8  # numbers in one max(...)


def _register_choices():
    for function in (*PREDICATES, *TO_WHOLE):
        teach_all((function,), 1, partial(_from_value, function), partial(_of_value, function))
    teach(np.where, _where_typed)
    for formals in ((Dual, types.Any), (types.Any, Dual), (Dual, Dual)):
        lower_builtin(np.where, types.Any, *formals)(_lower_where)
    teach_all((np.clip,), 3, clip)
    _several(max)
    _several(min)


_register()
_register_choices()
