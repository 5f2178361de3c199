"""Calls of a compiled function by its raw address."""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def by_address(returns):
    """A call of the compiled function at an address: ``call(address, arguments)``.

    A typed function pointer does the same, but costs 25 µs to hand over and cannot be typed twice in one loop. The
    function's exceptions reach the caller. The caller sees to it that the types are right and the code stays alive.
    """

    @intrinsic
    def call(typingctx, address, arguments):
        def codegen(context, builder, signature, args):
            kinds = tuple(signature.args[1])
            pointer = context.call_conv.get_function_type(returns, kinds).as_pointer()
            values = [builder.extract_value(args[1], i) for i in range(len(kinds))]
            target = builder.inttoptr(args[0], pointer)
            status, result = context.call_conv.call_function(builder, target, returns, kinds, values)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return returns(types.int64, arguments), codegen

    return call


@intrinsic
def fails(typingctx, address, arguments):
    """A call of a function that returns nothing; whether it raised an exception, of which no more is known."""

    def codegen(context, builder, signature, args):
        kinds = tuple(signature.args[1])
        pointer = context.call_conv.get_function_type(types.none, kinds).as_pointer()
        values = [builder.extract_value(args[1], i) for i in range(len(kinds))]
        target = builder.inttoptr(args[0], pointer)
        status, _ = context.call_conv.call_function(builder, target, types.none, kinds, values)
        return status.is_error

    return types.boolean(types.int64, arguments), codegen


def address_of(dispatcher, kinds) -> int:
    """Where the function compiled for these argument types is."""
    compiled = dispatcher.overloads[kinds]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
