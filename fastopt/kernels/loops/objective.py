"""How an objective is evaluated: its value, and its gradient into an array, from each form that users write.

``call_fun`` and ``call_jac`` are bound in: a call by raw address (one compiled loop for all objectives of one type), a
direct call that the compiler can inline, or a call of a Python function.
"""

import math

import numpy as np
from numba.core.imputils import impl_ret_borrowed

from ...linking import stand_in
from ..overloads import emitted_form
from .minimize import READS_VALUE


@stand_in
def call_fun(fun, arguments):
    """Stands for a call of the objective."""


@stand_in
def call_jac(jac, arguments):
    """Stands for a call of its gradient."""


@stand_in
def lent(x):
    """Stands for x as the user's functions are given it, who may not change the iterate: one of the next two."""


def read_only(x):
    return x


def copied(x):
    return x.copy()


@emitted_form(read_only)
def _read_only(typingctx, x):
    """The same array as a type that compiled code cannot write to."""
    to = x.copy(readonly=True)
    return to(x), lambda context, builder, signature, args: impl_ret_borrowed(context, builder, to, args[0])


@stand_in
def function(*arguments):
    """Stands for a function."""


def direct(_, arguments):
    return function(*arguments)


def inplace(fun, jac, x, g, args, low, high):
    """``fun(x, grad, *args) -> f``, which writes grad."""
    return call_fun(fun, (lent(x), g) + args)


def pair(fun, jac, x, g, args, low, high):
    """``fun(x, *args) -> (f, g)``."""
    f, new = call_fun(fun, (lent(x),) + args)
    assign(g, new)
    return f


def separate(fun, jac, x, g, args, low, high):
    """``fun(x, *args) -> f`` and ``jac(x, *args) -> g``; the value only where it is read."""
    assign(g, call_jac(jac, (lent(x),) + args))
    return call_fun(fun, (lent(x),) + args) if READS_VALUE else 0.0


def assign(g, new):
    if new.shape != g.shape:
        raise ValueError("the gradient must have the shape of x")
    g[:] = new


def two_point(fun, jac, x, g, args, low, high):
    """Forward differences, or backward ones where the bounds need it."""
    f = float(call_fun(fun, (lent(x),) + args))
    for i in range(x.size):
        keep = float(x[i])
        x[i] = keep + fitting(step(keep, precision(x) ** 0.5), keep, low, high, i)
        h = float(x[i]) - keep
        g[i] = (float(call_fun(fun, (lent(x),) + args)) - f) / h if h != 0.0 else 0.0
        x[i] = keep
    return f


def three_point(fun, jac, x, g, args, low, high):
    """Central differences, or one-sided ones of the same order where the bounds need it."""
    f = float(call_fun(fun, (lent(x),) + args))
    for i in range(x.size):
        keep = float(x[i])
        h = step(keep, precision(x) ** (1 / 3))
        if inside(keep + h, low, high, i) and inside(keep - h, low, high, i):
            x[i] = keep + h
            above, right = float(call_fun(fun, (lent(x),) + args)), float(x[i])
            x[i] = keep - h
            g[i] = (above - float(call_fun(fun, (lent(x),) + args))) / (right - float(x[i]))
        else:
            h = 0.5 * fitting(2 * h, keep, low, high, i)
            x[i] = keep + h
            near = float(call_fun(fun, (lent(x),) + args))
            x[i] = keep + 2 * h
            h = float(x[i]) - keep
            g[i] = (4 * near - float(call_fun(fun, (lent(x),) + args)) - 3 * f) / h if h != 0.0 else 0.0
        x[i] = keep
    return f


def fitting(h, at, low, high, i):
    """h, or -h, or as far as the bounds let go."""
    if inside(at + h, low, high, i):
        return h
    if inside(at - h, low, high, i):
        return -h
    up, down = high[i] - at, at - low[i]
    return float(up if up > down else -down)


def inside(to, low, high, i):
    return low.size == 0 or low[i] <= to <= high[i]


def precision(x):
    return 2.0**-52 if x.itemsize == 8 else 2.0**-23


def complex_step(fun, jac, x, g, args, low, high):
    """The imaginary part of f(x + ih), which has no cancellation."""
    z = x.astype(np.complex128)
    for i in range(x.size):
        z[i] = complex(x[i], 1e-100)
        g[i] = call_fun(fun, (lent(z),) + args).imag / 1e-100
        z[i] = x[i]
    return call_fun(fun, (lent(z),) + args).real if READS_VALUE else 0.0


def step(x, relative):
    return math.copysign(relative * max(1.0, abs(x)), x)
