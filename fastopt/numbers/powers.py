"""``x ** y`` of lanes, under all its names. Constant whole exponents are products."""

import math
import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from . import functions
from .element import REALS
from .emitted import Emitted
from .lane import Lane
from .power import MOST, integer_power
from .stamp import stamp
from .teach import OnCPU, joined

KEYS = (operator.pow, operator.ipow, math.pow, np.power, pow, functions.pow)


class Power(OnCPU):
    """The exponent stays what it is, so that a constant is seen."""

    prefer_literal = True

    def generic(self, args, kws):
        kind = None if kws or len(args) != 2 else joined(args)
        if kind is None:
            return None
        whole = isinstance(args[1], types.IntegerLiteral) and abs(args[1].literal_value) <= MOST
        exponent = args[1] if whole else types.float64 if isinstance(args[1], REALS) else kind
        return signature(kind, kind, exponent)


def _by_literal(context, builder, sig, args):
    stamp(context)
    return integer_power(Emitted(builder, args[0]), sig.args[1].literal_value).value


def _by_number(context, builder, sig, args):
    constant = args[1].constant if isinstance(args[1], ir.Constant) else None
    if isinstance(constant, float) and constant.is_integer() and abs(constant) <= MOST:
        return integer_power(Emitted(builder, args[0]), int(constant)).value
    return _by_lanes(context, builder, sig, (args[0], context.cast(builder, args[1], sig.args[1], sig.args[0])))


def _by_lanes(context, builder, sig, args):
    stamp(context)
    return functions.EMITTED["pow"](*(Emitted(builder, arg) for arg in args)).value


for key in KEYS:
    infer_global(key)(Power)
    lower_builtin(key, Lane, types.IntegerLiteral)(_by_literal)
    lower_builtin(key, Lane, types.Float)(_by_number)
    lower_builtin(key, Lane, Lane)(_by_lanes)
