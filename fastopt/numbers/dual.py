"""The dual number: a value with its derivatives along n directions, as a type of Numba's.

In a register it is the value and one vector of n partials; where the element is itself a vector of lanes, n vectors.
In memory it is 1 + n elements side by side, which need no larger alignment than one.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import lower_cast, register_model

from .element import Element
from .emit import Functions
from .emitted import STRICT, Emitted, constant
from .lane import Lane


class Dual(Element):
    """``element`` is float32, float64 or lanes of them; ``width`` how many partials there are."""

    is_internal = True  # so that Numba fuses expressions of arrays of them

    def __init__(self, element, width):
        self.element, self.width = element, width
        super().__init__(f"Dual({element}, {width})")

    @property
    def key(self):
        return self.element, self.width

    def takes(self, other):
        """Whether that is a constant among such numbers."""
        of_lanes = isinstance(self.element, Lane) and self.element.takes(other)
        return super().takes(other) or other == self.element or of_lanes


@register_model(Dual)
class _DualModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        self.element = manager[kind.element]
        value = self.element.get_value_type()
        self.partials = [value] * kind.width if is_lanes(value) else [ir.VectorType(value, kind.width)]
        super().__init__(manager, kind, ir.LiteralStructType([value, *self.partials]))

    def get_data_type(self):
        element, width = self.element.get_data_type(), self.fe_type.width
        if self._is_stored_whole():
            return ir.LiteralStructType([element, ir.VectorType(element, width)], packed=True)
        return ir.ArrayType(element, 1 + width)

    def _is_stored_whole(self):
        """Whether a vector of partials has no room between it and the next: it is then written and read as one."""
        width = self.fe_type.width
        return not is_lanes(self.element.get_value_type()) and width & (width - 1) == 0

    def as_data(self, builder, value):
        data = ir.Constant(self.get_data_type(), ir.Undefined)
        if self._is_stored_whole():
            numbers = [builder.extract_value(value, i) for i in range(2)]
        else:
            numbers = [builder.extract_value(value, 0), *partials(builder, value)]
            numbers = [self.element.as_data(builder, number) for number in numbers]
        for i, number in enumerate(numbers):
            data = builder.insert_value(data, number, i)
        return data

    def from_data(self, builder, data):
        if self._is_stored_whole():
            value, vector = (builder.extract_value(data, i) for i in range(2))
            return made(builder, self.get_value_type(), value, [vector])
        numbers = [
            self.element.from_data(builder, builder.extract_value(data, i)) for i in range(1 + self.fe_type.width)
        ]
        return _packed(builder, self.get_value_type(), numbers)

    def load_from_data_pointer(self, builder, pointer, align=None):
        if is_lanes(self.element.get_value_type()):
            at = [cgutils.gep_inbounds(builder, pointer, 0, i) for i in range(1 + self.fe_type.width)]
            numbers = [self.element.load_from_data_pointer(builder, each, align) for each in at]
            return _packed(builder, self.get_value_type(), numbers)
        value = builder.load(cgutils.gep_inbounds(builder, pointer, 0, 0))
        at = cgutils.gep_inbounds(builder, pointer, 0, 1)
        vector = builder.load(builder.bitcast(at, self.partials[0].as_pointer()))
        vector.align = {ir.FloatType(): 4, ir.DoubleType(): 8}[value.type]
        return made(builder, self.get_value_type(), value, [vector])


def is_lanes(llvm_type):
    return isinstance(llvm_type, ir.VectorType)


def partials(builder, value) -> list:
    """Those of a dual, one by one."""
    first, *rest = value.type.elements
    if is_lanes(first):
        return [builder.extract_value(value, i) for i in range(1, 1 + len(rest))]
    vector = builder.extract_value(value, 1)
    return [builder.extract_element(vector, _index(k)) for k in range(rest[0].count)]


def _packed(builder, kind, numbers):
    first, *rest = numbers
    if is_lanes(first.type):
        return made(builder, kind, first, rest)
    vector = ir.Constant(kind.elements[1], ir.Undefined)
    for k, number in enumerate(rest):
        vector = builder.insert_element(vector, number, _index(k))
    return made(builder, kind, first, [vector])


def _index(k):
    return ir.Constant(ir.IntType(32), k)


def made(builder, kind, value, partials):
    """A dual of that LLVM type."""
    result = ir.Constant(kind, ir.Undefined)
    for i, each in enumerate([value, *partials]):
        result = builder.insert_value(result, each, i)
    return result


class Parts:
    """A dual, or a constant among duals, while instructions are written: its value ``x``, and its partials or None.

    ``call`` calls functions of the elements.
    """

    def __init__(self, context, builder, dual, kind, value):
        self.context, self.builder, self.dual = context, builder, dual
        self.call = Functions(context, builder, dual.element)
        self.d: Any
        if kind == dual:
            value, *self.d = (builder.extract_value(value, i) for i in range(len(value.type.elements)))
        else:
            value, self.d = context.cast(builder, value, kind, dual.element), None
        self.x = Emitted(builder, value)

    def times(self, factor: Emitted):
        """The partials times a number."""
        return [self.builder.fmul(each, spread(self.builder, factor.value, each.type), flags=STRICT) for each in self.d]


def spread(builder, number, kind):
    """A number in each place of a vector; lanes as they are."""
    if number.type == kind:
        return number
    undefined = ir.Constant(kind, ir.Undefined)
    alone = builder.insert_element(undefined, number, _index(0))
    return builder.shuffle_vector(alone, undefined, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None))


def joined(like: Parts, x: Emitted, d):
    """The dual of a value and its partials, None for none."""
    kind = like.context.get_value_type(like.dual)
    partials = [constant(each, 0.0) for each in kind.elements[1:]] if d is None else d
    return made(like.builder, kind, x.value, partials)


def added(builder, a, b):
    """Partials, of which either may be None."""
    if a is None or b is None:
        return a if b is None else b
    return [builder.fadd(p, q, flags=STRICT) for p, q in zip(a, b)]


@lower_cast(types.Any, Dual)
def _constant_to_dual(context, builder, kind, to, value):
    parts = Parts(context, builder, to, kind, value)
    return joined(parts, parts.x, None)
