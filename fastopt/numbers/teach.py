"""How Numba learns a function of lanes: a template for its typing and a text that is emitted where it is called.

An ``@overload`` would do it too, and compile a function of its own for every call that it resolves, 5 to 20 ms each.
"""

import re
from typing import ClassVar

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from .element import common
from .emitted import Emitted
from .lane import Lane, Mask
from .stamp import stamp


class OnCPU(AbstractTemplate):
    """A template that is asked before Numba's own, of which some compile much before they find that they do not fit."""

    metadata: ClassVar = {"target": "cpu"}


def teach(keys, text, count=1, gives="lane", takes=Lane):
    """These functions, or operators, of so many lanes (or masks), by a text of emitted values (emitted.py)."""

    class Template(OnCPU):
        def generic(self, args, kws):
            kind = None if kws or len(args) != count else joined(args, takes)
            if kind is None:
                return None
            return signature(kind.mask if gives == "mask" and takes is Lane else kind, *[kind] * count)

    def lower(context, builder, sig, args):
        stamp(context)
        return text(*(Emitted(builder, arg) for arg in args)).value

    for key in keys:
        infer_global(key)(Template)
        lower_builtin(key, *[takes] * count)(lower)


def joined(args, takes=Lane):
    """The lanes, or the mask, that all the arguments are converted to; None where these are not of that kind."""
    args = [types.unliteral(arg) for arg in args]
    if takes is Mask:
        masks = {arg for arg in args if isinstance(arg, Mask)}
        others = [arg for arg in args if not isinstance(arg, (Mask, types.Boolean))]
        return masks.pop() if len(masks) == 1 and not others else None
    kind = common([arg.lanes if isinstance(arg, Mask) else arg for arg in args])
    return kind if isinstance(kind, Lane) else None


def inlined(text, count=1):
    """The text as a function of LLVM's own, made once in a module, for all calls there; the optimiser inlines it."""

    def calling(*values):
        builder, kind = values[0].builder, values[0].value.type
        name = re.sub(r"\W+", "_", f"fastopt {text.__name__} {kind}")  # CUDA's compiler takes no other signs
        function = builder.module.globals.get(name)
        if function is None:
            function = ir.Function(builder.module, ir.FunctionType(kind, [kind] * count), name)
            function.linkage = "internal"
            function.attributes.add("alwaysinline")
            inside = ir.IRBuilder(function.append_basic_block())
            inside.ret(text(*(Emitted(inside, arg) for arg in function.args)).value)
        return Emitted(builder, builder.call(function, [values[0].like(value).value for value in values]))

    return calling
