"""How functions of duals are made known to Numba: templates, whose types cost microseconds, with bodies that emit
instructions. An overload would compile a function for each.
"""

from itertools import product

import numpy as np
from numba.core import types
from numba.core.typing.npydecl import supported_array_operators
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from .dual import Dual, Parts

FUSED = {*supported_array_operators, *(f for f in vars(np).values() if isinstance(f, np.ufunc))}


def dual_among(kinds) -> Dual | None:
    """The type of the duals where there are some, and all else are constants among them."""
    dual = next((kind for kind in kinds if isinstance(kind, Dual)), None)
    return dual if dual and all(kind == dual or dual.takes(kind) for kind in kinds) else None


def teach(function, typed, prefers_literal=False):
    """Let ``typed(typing context, argument types)`` say what the function returns, a type or a signature, or None."""

    def generic(self, args, kws):
        if kws:
            return None
        if any(isinstance(arg, types.Array) for arg in args):
            return _of_arrays(self.context, typed, args) if function in FUSED else None
        result = typed(self.context, args)
        return signature(result, *args) if isinstance(result, types.Type) else result

    members = {"key": function, "generic": generic, "prefer_literal": prefers_literal}
    template = type(f"DualTemplate_{function.__name__}", (AbstractTemplate,), members)
    infer_global(function, types.Function(template))


def _of_arrays(typingctx, typed, args):
    """Element by element, with broadcasting: Numba makes one loop of a whole expression, if its types are known."""
    args = [types.unliteral(arg) for arg in args]
    elements = [arg.dtype if isinstance(arg, types.Array) else arg for arg in args]
    if not any(isinstance(each, Dual) for each in elements):
        return None
    result = typed(typingctx, elements)
    if result is None:
        return None
    ndim = max(arg.ndim for arg in args if isinstance(arg, types.Array))
    element = result if isinstance(result, types.Type) else result.return_type
    return signature(types.Array(element, ndim, "C"), *args)


def same_dual(typingctx, args):
    return dual_among(args)


def lower(function, count, emit, many=types.Any):
    """``emit(dual, *arguments)`` of Parts returns the result; for duals and constants in any place."""

    def implementation(context, builder, sig, args):
        dual = dual_among(sig.args)
        return emit(*(Parts(context, builder, dual, kind, value) for kind, value in zip(sig.args, args)))

    for formals in product((Dual, many), repeat=count):
        if Dual in formals:
            lower_builtin(function, *formals)(implementation)


def teach_all(functions, count, emit, typed=same_dual):
    """The same rule under each of the names of a function."""

    def of_count(typingctx, args):
        return typed(typingctx, args) if len(args) == count else None

    for function in functions:
        teach(function, of_count)
        lower(function, count, emit)
