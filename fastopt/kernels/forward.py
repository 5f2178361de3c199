"""A function that returns its value, made into one that writes its gradient too: by dual numbers, exactly.

The function itself is compiled for an array of duals, in which each variable carries its own direction. Up to eight
directions go through it at once, and more in passes of eight.
"""

import inspect
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numba import njit, types

from ..errors import shorten
from ..linking import UNBOUND, link, stand_in
from ..numbers import derivatives, dual_arithmetic, dual_arrays  # noqa: F401  what duals can do
from ..numbers.dual import Dual
from ..numbers.seeds import as_dual, dtype_of, on_stack, put, put_all, unit, value
from .bind import INSIDE, OPTIONS, WITHOUT_ENTRY, first_reason
from .digest import digest
from .drafts import Drafting
from .functions import call_of, remembered
from .kept import kept
from .stamp import mark_of
from .tuples import address

WIDEST = 8  # partials at once: two registers of AVX2 in float64


@stand_in
def function(x, *args):
    """Stands for the user's function."""


WIDTH = UNBOUND  # how many partials there are
SIZE = 0  # of x, where memory is not to be had on the way


@remembered(lambda fun, size: (fun,), maxsize=256)
def value_and_grad(fun, size):
    """A Numba function ``(x, grad, *args) -> f`` from one of ``(x, *args) -> f``; x and grad of one type of element.

    With ``size`` it is for x of that size alone, and as fast as can be; with None, for any. For compiled code to call.
    """
    known = size is not None and 0 < size <= WIDEST
    template, width = (at_once, size) if known else (in_passes, WIDEST)
    bound = link(template, function=for_duals(fun), WIDTH=width)
    return _kept(bound, fun, f"forward_{width}", WITHOUT_ENTRY)


@remembered(lambda fun: (fun,), maxsize=256)
def of_any_size(fun):
    """The same for any x, to be called from anywhere; a cached caller is compiled again once ``fun`` has changed."""
    made = njit(**INSIDE, forceinline=True)(link(in_passes, function=for_duals(fun), WIDTH=WIDEST))
    found = public(stamped, fun, "value_and_grad", made=made)
    _origins[found] = fun
    return found


_origins: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def origin(function):
    """What ``of_any_size`` made a function of, or None where it did not."""
    return _origins.get(function)


def public(template, fun, name, **names):
    """A template bound to what was made of a user's function, whose name it takes."""
    bound = link(template, mark=mark_of(fun.py_func), **names)
    bound.__name__ = fun.py_func.__name__
    return _kept(bound, fun, name, {"nogil": True, "forceinline": True})


def _kept(bound, fun, name, options):
    """Compiled when it is first called for some types, and kept in files where that can be."""
    seen = digest(bound, fun.py_func)
    bound.__qualname__ = f"{name}_{seen}"
    make = lambda cache: njit(cache=cache, **OPTIONS, **options)(bound)  # noqa: E731
    # A closure may be made anew with other numbers again and again; it would fill the disk.
    return kept(make) if seen and not fun.py_func.__closure__ else make(cache=False)


@stand_in
def mark():
    """Stands for the stamp of the user's function."""


@stand_in
def made(*args):
    """Stands for what was made of it."""


def stamped(x, grad, *args):
    mark()
    first, last = address(x), address(grad)
    if first < last + grad.size * grad.itemsize and last < first + x.size * x.itemsize:
        raise ValueError("grad must share no memory with x")
    return made(x, grad, *args)


INSTEAD = {  # by what Numba says
    "setitem(array(float": "make that array with np.zeros(n, x.dtype)",
    "parse_dtype": "give arrays x.dtype",
    "no attribute 'Dual": "compile what it calls without parallel=True",
}
OTHERWISE = "write it in arithmetic and functions of math, or use jac='3-point'"


def refuse(fun, made, element, args):
    """Raise a TypeError that says why ``made``, which was made of a user's function, does not compile."""
    x = types.Array(Dual(element, made.py_func.__globals__["WIDTH"]), 1, "C")
    call = call_of(fun.py_func, 1 + len(args), "fun", "forward")
    inner, takes = for_duals(fun), (x, *args)
    name = shorten(fun.py_func.__name__, 40)
    try:
        if len(inspect.signature(fun.py_func).parameters) == len(takes):  # defaults and *args are filled by the caller
            inner.compile(takes)
    except Exception as error:
        reason = first_reason(error)
        instead = next((text for sign, text in INSTEAD.items() if sign in reason), OTHERWISE)
        raise TypeError(
            f"fun must compile as {call} for dual numbers, but {name} does not: {reason}; {instead}"
        ) from error
    returns = [o.signature.return_type for a, o in inner.overloads.items() if a == takes]
    if returns and returns[0] != x.dtype and not x.dtype.takes(returns[0]):
        raise TypeError(f"fun must be callable as {call}, but {name} returns {shorten(str(returns[0]))}")


@remembered(lambda fun: (fun,), maxsize=256)
def for_duals(fun):
    """The same function, for LLVM to inline; a loop that it runs in parallel is a loop, and types are found anew."""
    left_out = ("nopython", "inline", "parallel")
    options = {name: value for name, value in fun.targetoptions.items() if name not in left_out}
    return njit(**options | {"forceinline": True, "pipeline_class": Drafting}, **WITHOUT_ENTRY)(fun.py_func)


def at_once(x, grad, *args):
    if x.size != WIDTH or grad.size != WIDTH:
        raise ValueError("x and grad must have the size that this was compiled for")
    duals = on_stack(x, WIDTH, WIDTH)
    for i in range(WIDTH):
        duals[i] = unit(x[i], i, WIDTH)
    f = as_dual(function(duals, *args), x, WIDTH)
    put_all(f, grad)
    return value(f)


def in_passes(x, grad, *args):
    if grad.size != x.size:
        raise ValueError("grad must have the size of x")
    if SIZE:
        duals = on_stack(x, SIZE, WIDTH)
    elif x.size <= WIDEST:
        duals = on_stack(x, WIDEST, WIDTH)[: x.size]  # memory from the heap would cost more than all else
    else:
        duals = np.empty(x.size, dtype_of(x, WIDTH))
    first = 0
    while True:
        for i in range(x.size):
            duals[i] = unit(x[i], i - first, WIDTH)
        f = as_dual(function(duals, *args), x, WIDTH)
        put(f, grad, first)
        first += WIDTH
        if first >= x.size:
            return value(f)
