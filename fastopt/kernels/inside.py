"""What users' compiled code hands to ``fastopt.jit``: arrays as one dimension, and numbers, checked as it is compiled.

What is wrong is a TypeError, and none of Numba's: those are collected, and come out at the end of a page.
"""

from functools import cache

from numba import types
from numba.extending import typeof_impl

from ..errors import describe
from ..schedules import Schedule
from .overloads import compiled_form

# --- arrays ----------------------------------------------------------------------------------------------------------


def flat(a):
    """A contiguous array as one dimension, without a copy."""
    return a.reshape(-1) if a.flags.c_contiguous else a.T.reshape(-1)


@compiled_form(flat)
def _flat(a):
    _check_kind(a)
    if a.ndim == 1:
        return lambda a: a
    if a.layout == "C":
        return lambda a: a.reshape(-1)
    if a.layout == "F":
        return lambda a: a.T.reshape(-1)
    raise TypeError(f"fastopt.jit takes contiguous arrays, got {a}")


def all_of_size(arrays, size):
    return all(a.size == size for a in arrays)


@compiled_form(all_of_size)
def _all_of_size(arrays, size):
    if not len(arrays):
        return lambda arrays, size: True
    return lambda arrays, size: arrays[0].size == size and all_of_size(arrays[1:], size)


def flat_like(x, arrays):
    return tuple(flat(a) for a in arrays)


@compiled_form(flat_like)
def _flat_like(x, arrays):
    if not len(arrays):
        return lambda x, arrays: ()
    _check_kind(x)
    if not isinstance(arrays[0], types.Array) or _form(arrays[0]) != _form(x):
        raise TypeError(f"fastopt.jit takes arrays of one dtype, dimension and memory order, got {x} and {arrays[0]}")
    return lambda x, arrays: (flat(arrays[0]), *flat_like(x, arrays[1:]))


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


# --- numbers ---------------------------------------------------------------------------------------------------------


@cache
def number(name):
    """A function of a number of this name, which returns it as it is; raises for anything else."""

    def checked(x):
        if not hasattr(x, "__float__") or hasattr(x, "__len__"):
            raise TypeError(f"{name} must be a number, got {describe(x)}")
        return x

    @compiled_form(checked)
    def _checked(x):
        kind = types.unliteral(x.type if isinstance(x, types.Optional) else x)
        if isinstance(kind, _ScheduleType):
            raise TypeError(kind.refusal())
        if not isinstance(kind, (types.Integer, types.Float, types.Boolean)):
            hint = f": give one element, {name}[t - 1]" if isinstance(kind, types.Array) else ""
            raise TypeError(f"{name} must be a number, got {kind}{hint}")
        return lambda x: x

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
