"""Arithmetic written down as instructions: while the compiler runs, ``1 / x`` of a :class:`Number` emits a division.

So a derivative is a line of calculus and costs no compilation of its own; it serves every type of element.
"""

import math

from llvmlite import ir
from numba.core import types

FLOATS = {ir.FloatType(): "f32", ir.DoubleType(): "f64"}


class Number:
    """A value of compiled code: a float, or a vector of them; Python's numbers become constants of its type."""

    def __init__(self, context, builder, kind, value):
        self.context, self.builder, self.kind, self.value = context, builder, kind, value

    def like(self, value):
        """Another of the same type: from an instruction's result, or from a number of Python's."""
        if isinstance(value, (int, float)):
            value = constant(self.value.type, float(value))
        return Number(self.context, self.builder, self.kind, value)

    def _of(self, other):
        return other.value if isinstance(other, Number) else self.like(other).value

    def __add__(self, other):
        return self.like(self.builder.fadd(self.value, self._of(other)))

    def __sub__(self, other):
        return self.like(self.builder.fsub(self.value, self._of(other)))

    def __rsub__(self, other):
        return self.like(self.builder.fsub(self._of(other), self.value))

    def __mul__(self, other):
        return self.like(self.builder.fmul(self.value, self._of(other)))

    def __truediv__(self, other):
        return self.like(self.builder.fdiv(self.value, self._of(other)))

    def __rtruediv__(self, other):
        return self.like(self.builder.fdiv(self._of(other), self.value))

    def __neg__(self):
        return self.like(self.builder.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def compare(self, operator, other):
        """As ``operator`` does, a text; false for NaN, but for ``!=``."""
        emit = self.builder.fcmp_unordered if operator == "!=" else self.builder.fcmp_ordered
        return emit(operator, self.value, self._of(other))

    def where(self, condition, other):
        """This where the condition holds, else the other."""
        return self.like(self.builder.select(condition, self.value, self._of(other)))

    def sign(self):
        """1 or -1, by the sign bit."""
        kind = self.value.type
        vector = isinstance(kind, ir.VectorType)
        name = f"llvm.copysign.{f'v{kind.count}' if vector else ''}{FLOATS[kind.element if vector else kind]}"
        function = self.builder.module.globals.get(name) or ir.Function(
            self.builder.module, ir.FunctionType(kind, [kind, kind]), name
        )
        return self.like(self.builder.call(function, [constant(kind, 1.0), self.value]))

    def power(self, n: int):
        """The product that Numba makes of ``x ** n`` with a whole number: by squaring, the reciprocal last."""
        result, square, left = None, self, abs(n)
        while left:
            if left & 1:
                result = square if result is None else result * square
            left >>= 1
            square = square * square if left else square
        result = self.like(1.0) if result is None else result
        return 1.0 / result if n < 0 else result


def constant(kind, number):
    """Of a float's LLVM type, or a vector's."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [number] * kind.count)
    return ir.Constant(kind, math.inf if number == math.inf else number)


def call(function, first: Number, *others):
    """What a function that Numba knows makes of numbers of the type of ``first``; others may be typed values."""
    typed = [(first.kind, first.value), *((o.kind, o.value) if isinstance(o, Number) else o for o in others)]
    result, kind = call_typed(first.context, first.builder, function, typed)
    return first.like(first.context.cast(first.builder, result, kind, first.kind))


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
