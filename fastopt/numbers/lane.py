"""Lanes: the same number of several problems in one vector register, as a Numba type."""

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import lower_cast, register_model

from .element import Element
from .emitted import constant, splat


class Lane(Element):
    """``count`` numbers of a float dtype. Numba keeps one object for each pair."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        super().__init__(f"lanes of {count} {dtype}")

    def takes(self, other):
        return super().takes(other) or (isinstance(other, Mask) and other.lanes == self)

    @property
    def mask(self):
        return Mask(self)


class Mask(types.Type):
    """What a comparison of lanes gives: no truth value, for the lanes may differ, so ``if`` does not compile. As a
    number it is 0 or 1 in lanes of the kind that was compared."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(f"truths of {lanes}")

    def can_convert_from(self, typingctx, other):
        return typingctx.can_convert(other, types.boolean) if isinstance(other, types.Boolean) else None

    def unify(self, typingctx, other):
        return self if isinstance(other, types.Boolean) else None


class _Vector(models.PrimitiveModel):
    """A vector in registers. In memory a packed structure: arrays have it at multiples of a number's size, where a
    vector by itself must lie at multiples of its own; one lane lies as a number does, which a GPU reads at once."""

    def get_data_type(self):
        return ir.LiteralStructType([self.stored], packed=self.stored.count > 1)

    def as_data(self, builder, value):
        return builder.insert_value(ir.Constant(self.get_data_type(), ir.Undefined), value, 0)

    def from_data(self, builder, value):
        return builder.extract_value(value, 0)


@register_model(Lane)
class _LaneModel(_Vector):
    def __init__(self, manager, kind):
        element = manager.lookup(kind.dtype).get_value_type()
        self.stored = ir.VectorType(element, kind.count)
        super().__init__(manager, kind, self.stored)


@register_model(Mask)
class _MaskModel(_Vector):
    def __init__(self, manager, kind):
        self.stored = ir.VectorType(ir.IntType(8), kind.lanes.count)
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.lanes.count))

    def as_data(self, builder, value):
        return super().as_data(builder, builder.zext(value, self.stored))

    def from_data(self, builder, value):
        return builder.trunc(super().from_data(builder, value), self.get_value_type())


# --- what becomes a lane ---------------------------------------------------------------------------------------------


@lower_cast(types.Integer, Lane)
@lower_cast(types.Float, Lane)
@lower_cast(types.Boolean, Lane)
def _number_to_lane(context, builder, kind, to, value):
    return splat(builder, context.cast(builder, value, kind, to.dtype), to.count)


@lower_cast(types.Boolean, Mask)
def _boolean_to_mask(context, builder, kind, to, value):
    return splat(builder, value, to.lanes.count)


@lower_cast(Mask, Lane)
def _mask_to_lane(context, builder, kind, to, value):
    one, zero = (constant(context.get_value_type(to), number) for number in (1, 0))
    return builder.select(value, one, zero)
