"""Stamps in users' cached functions, so that those are compiled again once a rule has changed."""

import pickle

from numba import types
from numba.extending import intrinsic

from .bind import digest


def mark_of(rule):
    """Something to call in compiled code, which makes Numba forget a cached caller once the rule's code has changed.

    A user's cached function holds our code inlined, and Numba looks for changes in the user's file alone. But it
    unpickles, with every cached function, the initialisers that its library asked for, and takes an OSError there for
    a miss. So a stamp is left among them. (A private attribute: without it, or for a rule that cannot be imported, the
    caller is cached as Numba caches it.)
    """
    stamp = _Stamp(rule.update, rule.coefficients)

    @intrinsic
    def mark(typingctx):
        def codegen(context, builder, signature, args):
            initialisers = getattr(context.active_code_library, "_reload_init", None)
            if initialisers is not None and stamp.can_be_pickled():
                initialisers.add(stamp)
            return context.get_dummy_value()

        return types.void(), codegen

    return mark


class _Stamp:
    def __init__(self, update, coefficients):
        self.functions = update, coefficients

    def __call__(self):
        """Called by Numba when a cached function is loaded."""

    def __reduce__(self):
        return _restore, (*self.functions, _code(*self.functions))

    def can_be_pickled(self):
        try:
            pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError):
            return False
        return True


def _restore(update, coefficients, code):
    if _code(update, coefficients) != code:
        raise OSError("a rule of fastopt has changed")
    return _Stamp(update, coefficients)


def _code(update, coefficients):
    return digest(update) + digest(coefficients)
