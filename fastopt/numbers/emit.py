"""What derivatives need beyond arithmetic of emitted values: calls of functions that Numba knows, for any element."""

from numba import types

from .emitted import Emitted, copysign


class Functions:
    """``call(math.exp, x)`` emits a call of what Numba has for ``math.exp`` of elements of a type."""

    def __init__(self, context, builder, kind):
        self.context, self.builder, self.kind = context, builder, kind

    def __call__(self, function, *values):
        """Values are emitted ones of the type, or pairs of a type of Numba's and an LLVM value."""
        typed = [value if isinstance(value, tuple) else (self.kind, value.value) for value in values]
        result, kind = call_typed(self.context, self.builder, function, typed)
        return Emitted(self.builder, self.context.cast(self.builder, result, kind, self.kind))


def call_typed(context, builder, function, typed):
    """The result of a function of values with their Numba types, and its type."""
    resolved = context.typing_context.resolve_value_type(function)
    signature = resolved.get_call_type(context.typing_context, tuple(kind for kind, _ in typed), {})
    if isinstance(signature.args[-1], (types.StarArgTuple, types.StarArgUniTuple)):  # of max and min
        values = [context.make_tuple(builder, signature.args[-1], [value for _, value in typed])]
    else:
        values = [context.cast(builder, value, kind, to) for (kind, value), to in zip(typed, signature.args)]
    implementation = context.get_function(resolved, signature)
    context.add_linking_libs(getattr(implementation, "libs", ()))
    return implementation(builder, values), signature.return_type


def sign(x):
    """1 or -1, by the sign bit."""
    return copysign(x.like(1.0), x)
