"""What users' compiled code hands to ``fastopt.jit``: arrays as one dimension, and numbers, checked as it is compiled.

What is wrong is a TypeError, and none of Numba's: those are collected, and come out at the end of a page.
"""

from functools import cache

from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import typeof_impl

from ..errors import describe
from ..schedules import Schedule
from .overloads import emitted_form

# --- arrays ----------------------------------------------------------------------------------------------------------


def flat(a):
    """A contiguous array as one dimension, without a copy."""
    return a.reshape(-1) if a.flags.c_contiguous else a.T.reshape(-1)


@emitted_form(flat)
def _flat(typingctx, a):
    return _flattened(a)(a), lambda context, builder, signature, args: _as_flat(context, builder, a, args[0])


def _flattened(a):
    """The type of an array as one dimension."""
    _check_kind(a)
    if a.ndim != 1 and a.layout not in "CF":
        raise TypeError(f"fastopt.jit takes contiguous arrays, got {a}")
    return a if a.ndim == 1 else a.copy(ndim=1, layout="C")


def _as_flat(context, builder, kind, value):
    from numba.np.arrayobj import populate_array  # here, where Numba has imported it: alone it takes long

    to = _flattened(kind)
    if to is not kind:
        a, made = context.make_array(kind)(context, builder, value), context.make_array(to)(context, builder)
        populate_array(made, a.data, [a.nitems], [a.itemsize], a.itemsize, a.meminfo, a.parent)
        value = made._getvalue()
    return impl_ret_borrowed(context, builder, to, value)


def all_of_size(arrays, size):
    return all(a.size == size for a in arrays)


@emitted_form(all_of_size)
def _all_of_size(typingctx, arrays, size):
    def codegen(context, builder, signature, args):
        fits = context.get_constant(types.boolean, True)
        for k, kind in enumerate(arrays):
            a = context.make_array(kind)(context, builder, builder.extract_value(args[0], k))
            fits = builder.and_(fits, builder.icmp_signed("==", a.nitems, args[1]))
        return fits

    return types.boolean(arrays, types.intp), codegen


def flat_like(x, arrays):
    return tuple(flat(a) for a in arrays)


@emitted_form(flat_like)
def _flat_like(typingctx, x, arrays):
    for a in arrays:
        _check_kind(x)
        if not isinstance(a, types.Array) or _form(a) != _form(x):
            raise TypeError(f"fastopt.jit takes arrays of one dtype, dimension and memory order, got {x} and {a}")
    to = types.Tuple([_flattened(a) for a in arrays])

    def codegen(context, builder, signature, args):
        values = [_as_flat(context, builder, a, builder.extract_value(args[1], k)) for k, a in enumerate(arrays)]
        return context.make_tuple(builder, to, values)

    return to(x, arrays), codegen


def _check_kind(a):
    if isinstance(a, types.BaseTuple):
        raise TypeError(
            f"fastopt.jit takes arrays of float32 or float64, got a tuple of {len(a)}: step each in a loop "
            "(over numba.literal_unroll where they differ in type)"
        )
    if not isinstance(a, types.Array) or a.dtype not in (types.float32, types.float64):
        raise TypeError(f"fastopt.jit takes arrays of float32 or float64, got {a}")


def _form(a):
    return a.dtype, a.ndim, a.layout if a.ndim > 1 else ""


def check_kept(kept):
    """Raises unless what a rule keeps is in one array of float64."""


@emitted_form(check_kept)
def _check_kept(typingctx, kept):
    if not isinstance(kept, types.Array) or (kept.dtype, kept.ndim, kept.layout) != (types.float64, 1, "C"):
        raise TypeError(f"kept must be a contiguous array of float64 of one dimension, got {kept}")
    return types.void(kept), lambda context, builder, signature, args: context.get_dummy_value()


# --- numbers ---------------------------------------------------------------------------------------------------------


@cache
def number(name):
    """A function of a number of this name, which returns it as it is; raises for anything else."""

    def checked(x):
        if not hasattr(x, "__float__") or hasattr(x, "__len__"):
            raise TypeError(f"{name} must be a number, got {describe(x)}")
        return x

    @emitted_form(checked)
    def _checked(typingctx, x):
        kind = types.unliteral(x.type if isinstance(x, types.Optional) else x)
        if isinstance(kind, _ScheduleType):
            raise TypeError(kind.refusal())
        if not isinstance(kind, (types.Integer, types.Float, types.Boolean)):
            hint = f": give one element, {name}[t - 1]" if isinstance(kind, types.Array) else ""
            raise TypeError(f"{name} must be a number, got {kind}{hint}")
        return x(x), lambda context, builder, signature, args: args[0]

    return checked


class _ScheduleType(types.Callable):
    """What Numba takes a schedule for, so that compiled code that uses one can be told what to do."""

    def refusal(self):
        return f"a schedule must be tabulated for @njit, got {self.name}: lrs = schedule.table(n), then lr=lrs[t - 1]"

    def get_call_type(self, context, args, kws):
        raise TypeError(self.refusal())

    def get_call_signatures(self):
        return (), False

    def get_impl_key(self, sig):
        raise TypeError(self.refusal())


@typeof_impl.register(Schedule)
def _typeof_schedule(value, context):
    return _ScheduleType(repr(value))
