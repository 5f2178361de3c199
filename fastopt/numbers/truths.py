"""Truths of lanes as one truth."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .lane import Mask


@intrinsic
def some(typingctx, mask):
    """Whether it holds in any lane."""
    if not isinstance(mask, Mask):
        return None

    def codegen(context, builder, signature, args):
        bits = ir.IntType(mask.lanes.count)
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], bits), bits(0))

    return types.boolean(mask), codegen
