"""What residuals are written to: of each no more is kept than what it adds to the sum of squares and its derivatives.

With r the residuals, J their derivatives along the variables and ρ the loss, these are Σρ/2, J'r and J'J, the latter
two scaled as SciPy's ``least_squares`` scales J and r; but the weights in J'J, which may vanish where an outlier is,
are at least a share of ρ', with which a step is one of iteratively reweighted least squares. All stay in registers
where there are few variables.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.errors import TypingError
from numba.core.typing.templates import AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from .dual import Dual, Parts, is_lanes, spread
from .emit import call_typed
from .emitted import STRICT, Emitted, constant, madd, select
from .robust import LOSSES
from .stamp import stamp
from .teach import OnCPU

# f_scale; the share of ρ'; how many were written, Σj, Σj²; Σρ; J'r and J'J
SCALE, SHARE, COUNT, PLACES, SQUARES, TOTAL, SUMS = range(7)
LEAST = 2.0**-52  # weight, as SciPy has it
WRITES = "r must be written as r[j] = v, of a number v, and never read"


class Residuals(types.Type):
    """``r`` of ``residuals(x, r, ...)``, of duals of a type, with the loss of this number."""

    def __init__(self, dual, loss):
        self.dual, self.loss = dual, loss
        super().__init__(f"residuals of {dual} by {LOSSES[loss].__name__}")


@register_model(Residuals)
class _ResidualsModel(models.PrimitiveModel):
    """Where the sums are: in the frame of who began them."""

    def __init__(self, manager, kind):
        super().__init__(manager, kind, _kept(manager, kind).as_pointer())


def _kept(manager, kind):
    """J'J of lanes is its upper triangle; else rows, which are vectors themselves."""
    element, *partials = manager[kind.dual].get_value_type().elements
    count = kind.dual.width
    sums = [element] * (count + count * (count + 1) // 2) if is_lanes(element) else partials * (1 + count)
    return ir.LiteralStructType([element] * 2 + [ir.IntType(64)] * 3 + [element, *sums])


# --- what is written -------------------------------------------------------------------------------------------------


class _Write(OnCPU):
    key = operator.setitem

    def generic(self, args, kws):
        if not isinstance(args[0], Residuals):
            return None
        r, index, value = args
        value = types.unliteral(value)
        if not isinstance(index, types.Integer) or not (value == r.dual or r.dual.takes(value)):
            raise TypingError(f"{WRITES}, got {value} at {index}")
        return signature(types.none, r, types.int64, value)


class _Read(OnCPU):
    key = operator.getitem

    def generic(self, args, kws):
        if isinstance(args[0], Residuals):
            raise TypingError(WRITES)


@infer_getattr
class _Attribute(AttributeTemplate):
    key, metadata = Residuals, OnCPU.metadata

    def generic_resolve(self, r, name):
        raise TypingError(f"{WRITES}, got r.{name}")


infer_global(operator.setitem)(_Write)
infer_global(operator.getitem)(_Read)


@lower_builtin(operator.setitem, Residuals, types.Integer, types.Any)
def _set_residual(context, builder, sig, args):
    stamp(context)
    r, j, value = args
    one = ir.IntType(64)(1)
    for field, number in ((COUNT, one), (PLACES, j), (SQUARES, builder.mul(j, j))):
        place = _place(builder, r, field)
        builder.store(builder.add(builder.load(place), number), place)
    residual = Parts(context, builder, sig.args[0].dual, sig.args[2], value)
    _add(builder, r, sig.args[0], residual.x, _partials(context, residual))
    return context.get_dummy_value()


@intrinsic
def add(typingctx, r, value, observed):
    """Add a residual, unless what was observed is NaN: then nothing, whatever the value is."""

    def codegen(context, builder, signature, args):
        residual = Parts(context, builder, r.dual, value, args[1])
        known = Emitted(builder, context.cast(builder, args[2], observed, r.dual.element))
        known = known.equals(known).value
        x, *partials = [
            builder.select(known, each, constant(each.type, 0.0))
            for each in (residual.x.value, *_partials(context, residual))
        ]
        _add(builder, args[0], r, Emitted(builder, x), partials)
        return context.get_dummy_value()

    return types.void(r, value, observed), codegen


def _partials(context, residual):
    """Those of a constant are zeros."""
    kinds = context.get_value_type(residual.dual).elements[1:]
    return residual.d or [constant(kind, 0.0) for kind in kinds]


def _place(builder, r, field):
    return cgutils.gep_inbounds(builder, r, 0, field)


def _add(builder, r, kind, x, partials):
    """One residual to all sums."""
    scale = Emitted(builder, builder.load(_place(builder, r, SCALE)))
    rho, slope, bend = LOSSES[kind.loss](x, scale)

    def add_product(field, a, b):
        place = _place(builder, r, field)
        a, b = (Emitted(builder, spread(builder, each, partials[0].type)) for each in (a, b))
        builder.store(madd(a, b, Emitted(builder, builder.load(place))).value, place)

    place, factor = _place(builder, r, TOTAL), x if slope is None else x * slope
    total = Emitted(builder, builder.load(place))
    builder.store((madd(x, x, total) if slope is None else total + rho).value, place)
    bent = partials
    if bend is not None:
        bend = _at_least(bend, slope * Emitted(builder, builder.load(_place(builder, r, SHARE))))
        bent = [builder.fmul(each, spread(builder, bend.value, each.type), flags=STRICT) for each in partials]
    products = [(each, factor.value) for each in partials]
    if is_lanes(x.value.type):
        products += [(row, other) for i, row in enumerate(bent) for other in partials[i:]]
    else:
        products += [(bent[0], number) for number in _numbers(builder, partials[0])]
    for k, (a, b) in enumerate(products):
        add_product(SUMS + k, a, b)


def _at_least(bend, share):
    """NaN stays NaN."""
    bend = select(bend < share, share, bend)
    return select(bend < LEAST, bend.like(LEAST), bend)


def _numbers(builder, vector):
    return [builder.extract_element(vector, ir.IntType(32)(k)) for k in range(vector.type.count)]


# --- at the ends of a function ---------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def nothing_yet(typingctx, x, scale, share, width, loss):
    """Residuals of which none is written, of functions of x, a vector; the share of ρ' is such a number."""
    to = Residuals(Dual(x.dtype, width.literal_value), loss.literal_value)

    def codegen(context, builder, signature, args):
        kept = context.get_value_type(to).pointee
        r = cgutils.alloca_once(builder, kept)
        builder.store(ir.Constant(kept, None), r)
        element = to.dual.element
        number = context.cast(builder, args[1], signature.args[1], types.float64)
        scale = context.cast(builder, number, types.float64, element)
        builder.store(scale, _place(builder, r, SCALE))
        builder.store(args[2], _place(builder, r, SHARE))
        return r

    return to(x, types.float64, x.dtype, width, loss), codegen


@intrinsic
def sums_of(typingctx, r, gram):
    """Write the sums into a vector that is a matrix of d + 1 rows: J'J above its diagonal and on it, then J'r, in the
    last column, and Σρ/2 below; and at the beginning of the last row how many residuals there were, or -1 if they were
    not written one by one from the first to the last, in any order."""
    width, element = r.dual.width, r.dual.element

    def codegen(context, builder, signature, args):
        def load(field):
            return builder.load(_place(builder, args[0], field))

        def store(i, j, number):
            at = context.get_constant(types.intp, i * (width + 1) + j)
            call_typed(context, builder, operator.setitem, [(gram, args[1]), (types.intp, at), (element, number)])

        half = Emitted(builder, load(TOTAL)) * 0.5
        if LOSSES[r.loss] is not LOSSES[0]:
            scale = Emitted(builder, load(SCALE))
            half = half * scale * scale
        store(width, width, half.value)
        vectors = [load(SUMS + k) for k in range(len(context.get_value_type(r).pointee.elements) - SUMS)]
        if not is_lanes(half.value.type):
            vectors = _entries(builder, vectors)
        for (i, j), number in zip(_places(width), vectors):
            store(i, j, number)
        count = _count(builder, *(Emitted(builder, load(field)) for field in (COUNT, PLACES, SQUARES)))
        store(width, 0, context.cast(builder, count.value, types.int64, element))
        return context.get_dummy_value()

    return types.void(r, gram), codegen


def _places(width):
    return [(i, width) for i in range(width)] + [(i, j) for i in range(width) for j in range(i, width)]


def _entries(builder, vectors):
    """The numbers in rows as above."""
    slopes, *rows = ([*_numbers(builder, vector)] for vector in vectors)
    return [*slopes, *(number for i, row in enumerate(rows) for number in row[i:])]


def _count(builder, count, places, squares):
    """Of 0, 1, ..., n-1 the sums are known."""
    before = count - 1
    once = (places + places).equals(count * before) & (squares * 6).equals(count * before * (count + before))
    return select(once, count, -1)
