"""How functions of duals are made known to Numba: templates, whose typing costs microseconds, and bodies that emit
instructions where they are called. An overload would compile a function for each.
"""

from itertools import product

from numba import types
from numba.core.typing.templates import infer_global, signature
from numba.extending import lower_builtin

from .dual import Dual, Parts
from .element import common
from .stamp import stamp
from .teach import OnCPU


def dual_among(kinds) -> Dual | None:
    """The type of the duals where there are some, and all else are constants among them."""
    kind = common(kinds)
    return kind if isinstance(kind, Dual) else None


def teach(function, typed, prefers_literal=False):
    """Let ``typed(typing context, argument types)`` say what the function returns, a type or a signature, or None."""

    def generic(self, args, kws):
        result = None if kws else typed(self.context, args)
        return signature(result, *args) if isinstance(result, types.Type) else result

    members = {"key": function, "generic": generic, "prefer_literal": prefers_literal}
    infer_global(function, types.Function(type(f"OfDuals_{function.__name__}", (OnCPU,), members)))


def same_dual(typingctx, args):
    return dual_among(args)


def lower(function, count, emit):
    """``emit(*arguments)`` of Parts returns the result; for duals and constants in any place."""

    def implementation(context, builder, sig, args):
        stamp(context)
        dual = dual_among(sig.args)
        return emit(*(Parts(context, builder, dual, kind, value) for kind, value in zip(sig.args, args)))

    for formals in product((Dual, types.Any), repeat=count):
        if Dual in formals:
            lower_builtin(function, *formals)(implementation)


def teach_all(functions, count, emit, typed=same_dual):
    """The same rule under each of the names of a function."""

    def of_count(typingctx, args):
        return typed(typingctx, args) if len(args) == count else None

    for function in functions:
        teach(function, of_count)
        lower(function, count, emit)
