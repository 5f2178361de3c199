"""Functions of lanes that have no text of their own: the C library's, lane by lane."""

import math

import numpy as np
from llvmlite import ir
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from .lane import Lane
from .stamp import stamp
from .teach import OnCPU, joined

NAMES = ("exp2", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh", "erf", "erfc", "gamma", "lgamma")
NUMPYS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
          "atanh": "arctanh", "atan2": "arctan2"}  # fmt: skip
OF_TWO = ("atan2", "hypot", "fmod")


class LaneByLane(OnCPU):
    def generic(self, args, kws):
        kind = None if kws else joined(args)
        return signature(kind, *[kind] * len(args)) if kind else None


def _lane_by_lane(key, count):
    def lower(context, builder, sig, args):
        stamp(context)
        kind = sig.return_type
        function = context.typing_context.resolve_value_type(key)
        of_one = function.get_call_type(context.typing_context, [kind.dtype] * count, {})
        compiled = context.get_function(function, of_one)
        result = ir.Constant(context.get_value_type(kind), ir.Undefined)
        for lane in range(kind.count):
            at = ir.Constant(ir.IntType(32), lane)
            numbers = [context.cast(builder, builder.extract_element(arg, at), kind.dtype, to)
                       for arg, to in zip(args, of_one.args)]  # fmt: skip
            value = context.cast(builder, compiled(builder, numbers), of_one.return_type, kind.dtype)
            result = builder.insert_element(result, value, at)
        return result

    infer_global(key)(LaneByLane)
    lower_builtin(key, *[Lane] * count)(lower)


for name in NAMES + OF_TWO:
    rooms = [(math, name), (np, NUMPYS.get(name, name))]
    for key in {id(found): found for room, known in rooms if (found := getattr(room, known, None))}.values():
        _lane_by_lane(key, 2 if name in OF_TWO else 1)
_lane_by_lane(np.cbrt, 1)
