"""A user's Numba function, compiled for the arguments that it will get."""

import inspect
from functools import lru_cache, wraps

from numba import njit, types
from numba.core.dispatcher import Dispatcher

from ..errors import shorten
from ..numbers.element import Element
from .bind import first_reason


def first(function):
    """What a Numba function was first compiled to since it was last recompiled."""
    return next(iter(dict.values(function.overloads)), None)  # an OrderedDict's own would hash the types: 3 µs


def remembered(functions, maxsize):
    """``lru_cache`` for what is compiled from users' functions, and made anew once one of them was recompiled.

    ``functions`` gives them, of the same arguments; those that are not Numba's never change.
    """

    def decorate(make):
        @lru_cache(maxsize)
        def made(*args):
            result = make(*args)
            return result, [(f, first(f)) for f in functions(*args) if isinstance(f, Dispatcher)]

        @wraps(make)
        def remembering(*args):
            result, then = made(*args)
            for function, compiled in then:
                if first(function) is not compiled:
                    made.cache_clear()
                    return made(*args)[0]
            return result

        return remembering

    return decorate


def call_of(function, count, role, form) -> str:
    """How a user's function, a plain one, is called with so many arguments; raises where it cannot be."""
    names = {"inplace": ["x", "grad"], "loss": ["params", "grads"]}.get(form, ["x"])
    names = names + [f"arg{i}" for i in range(1, count - len(names) + 1)]
    call, signature = f"{role}({', '.join(names)}) -> {RETURNS.get(form, 'float')}", inspect.signature(function)
    try:
        signature.bind(*names)
    except TypeError:
        name = getattr(function, "__name__", type(function).__name__)
        raise TypeError(f"{role} must be callable as {call}, but it is {name}{signature}") from None
    return call


def compile_for(function, takes, role, form):
    """Compile a user's Numba function for these types: a function that has them, and what it returns."""
    name, call = function.py_func.__name__, call_of(function.py_func, len(takes), role, form)
    fixed = not function._can_compile and takes not in function.overloads  # compiled for other types only
    if fixed or not _has_arity(function.py_func, len(takes)):
        function = _of_arity(function, len(takes))
    try:
        if takes not in function.overloads:
            function.compile(takes)
    except Exception as error:  # not always its own: Numba may look for a number type of ours in NumPy
        raise TypeError(f"{role} must compile as {call}, but {name} does not: {first_reason(error)}") from error
    returns = function.overloads[takes].signature.return_type
    if not _returns_rightly(returns, form):
        raise TypeError(f"{role} must be callable as {call}, but {name} returns {shorten(str(returns))}")
    return function, returns


RETURNS = {True: "(float, array)", "gradient": "array", "cs": "complex"}


def _has_arity(function, n):
    """Whether it has just n parameters: defaults and ``*args`` would change what is passed at its address."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    return kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * n


def _of_arity(function, n):
    """A function of n arguments that calls this one."""
    names = ", ".join(f"a{i}" for i in range(n))
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(
        eval(f"lambda {names}: function({names})", {"function": function})
    )


def _returns_rightly(returns, form):
    if form is True:
        return (
            isinstance(returns, types.BaseTuple)
            and len(returns) == 2
            and _is_real(returns[0])
            and _is_vector(returns[1])
        )
    if form == "gradient":
        return _is_vector(returns)
    return isinstance(returns, types.Complex) if form == "cs" else _is_real(returns)


def _is_real(kind):
    return isinstance(kind, (types.Float, types.Integer, Element))


def _is_vector(kind):
    return isinstance(kind, types.Array) and kind.ndim == 1 and isinstance(kind.dtype, (types.Float, Element))
