"""Stamps in users' cached functions, so that those are compiled again once a rule has changed."""

from importlib import import_module

from numba import types
from numba.extending import intrinsic

from .digest import digest


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
    """The two functions of a rule, by name, with the digest of their code when the caller was compiled."""

    def __init__(self, update, coefficients):
        self.functions = update, coefficients

    def __call__(self):
        """Called by Numba when a cached function is loaded."""

    def __reduce__(self):
        names = [(f.__module__, f.__qualname__) for f in self.functions]
        return _restore, (*names, _code(*self.functions))

    def can_be_pickled(self):
        try:
            return all(_find(f.__module__, f.__qualname__) is f for f in self.functions)
        except OSError:
            return False


def _find(module, name):
    """The function of that name today; OSError if there is none."""
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise OSError(f"{module}.{name} is gone") from error
    return getattr(found, "py_func", found)


def _restore(update, coefficients, code):
    functions = _find(*update), _find(*coefficients)
    if _code(*functions) != code:
        raise OSError("a rule of fastopt has changed")
    return _Stamp(*functions)


def _code(update, coefficients):
    return digest(update) + digest(coefficients)
