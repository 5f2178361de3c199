"""Stamps in users' cached functions, so that those are compiled again once our code, or a rule's, has changed."""

from importlib import import_module

from numba import types
from numba.extending import intrinsic

from .digest import digest


def mark_of(*functions):
    """Something to call in compiled code, which makes Numba forget a cached caller once these functions have changed.

    A user's cached function holds our code inlined, and Numba looks for changes in the user's file alone. But it
    unpickles, with every cached function, the initialisers that its library asked for, and takes an OSError there for
    a miss. So a stamp is left among them. What cannot be looked up again by its name, or not be seen through, is a
    miss in every process. (A private attribute: without it the caller is cached as Numba caches it.)
    """
    stamp = _Stamp(*functions)

    @intrinsic
    def mark(typingctx):
        def codegen(context, builder, signature, args):
            initialisers = getattr(context.active_code_library, "_reload_init", None)
            if initialisers is not None:
                initialisers.add(stamp)
            return context.get_dummy_value()

        return types.void(), codegen

    return mark


class _Stamp:
    """Functions, by name, with the digest of their code when the caller was compiled."""

    def __init__(self, *functions):
        self.functions = functions

    def __call__(self):
        """Called by Numba when a cached function is loaded."""

    def __reduce__(self):
        names, code = [(f.__module__, f.__qualname__) for f in self.functions], digest(*self.functions)
        try:
            is_found = all(_find(*name) is f for name, f in zip(names, self.functions))
        except OSError:
            is_found = False
        return _restore, (*names, code) if is_found else (None,)


def _find(module, name):
    """The function of that name today; OSError if there is none."""
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise OSError(f"{module}.{name} is gone") from error
    return getattr(found, "py_func", found)


def _restore(*names_and_code):
    *names, code = names_and_code
    functions = [_find(*name) for name in names]
    if code is None or digest(*functions) != code:
        raise OSError("what a cached function uses of fastopt has changed")
    return _Stamp(*functions)
