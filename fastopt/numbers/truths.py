"""What loops over lanes need beside what users write."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .emitted import Emitted
from .emitted import madd as emitted_madd
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


@intrinsic
def madd(typingctx, a, b, c):
    """a·b + c, rounded once where the processor does that as fast as it multiplies."""

    def codegen(context, builder, signature, args):
        return emitted_madd(*(Emitted(builder, arg) for arg in args)).value

    return a(a, a, a), codegen
