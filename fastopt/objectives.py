"""A user's objective: in which form it comes, and how a compiled loop gets hold of it."""

import inspect
from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import config, njit, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from .errors import describe, shorten
from .kernels import looped, objective
from .kernels.bind import first_reason, link

JACS = "a function, True, 'inplace', '2-point', '3-point' or 'cs'"


class Objective(NamedTuple):
    """``form`` is a key of :data:`fastopt.kernels.looped.FORMS`; ``jac`` is None but in the form "jac"."""

    form: Any
    fun: Any
    jac: Any
    is_compiled: bool

    def evaluations(self, points, d, reads_value):
        """How often the functions were called for this many points: (of the objective, of its gradient)."""
        per_point = {"jac": int(reads_value), "2-point": d + 1, "3-point": 2 * d + 1, "cs": d + int(reads_value)}
        return per_point.get(self.form, 1) * points, points


def objective_of(fun, jac) -> Objective:
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {describe(fun)}")
    if callable(jac):
        form: Any = "jac"
    elif jac is True or (isinstance(jac, str) and jac in looped.FORMS and jac != "jac"):
        form, jac = jac, None
    else:
        raise ValueError(f"jac must be {JACS}, got {describe(jac)}")
    is_compiled = isinstance(fun, Dispatcher) and (jac is None or isinstance(jac, Dispatcher))
    return Objective(form, fun, jac, is_compiled and not config.DISABLE_JIT)


class Plan(NamedTuple):
    """How to run an objective: kernels of looped.py, and what they take as ``fun`` and ``jac``."""

    loop: Any
    once: Any
    each: Any
    addresses: tuple[int, int]
    keeps: Any  # the functions at the addresses
    pace: dict  # by the sizes of x and args: how many iterations a slice had, when it was last run


@lru_cache(maxsize=256)
def compiled_plan(given: Objective, rule, dtype, args, shared, flags, inline, in_parallel=False) -> Plan:
    """For Numba functions; ``args`` and ``shared`` are Numba types. Compiled, or taken from the disk cache.

    With ``shared`` not None it is the plan of many problems, and ``args`` have a leading axis.
    """
    x = types.Array(numba.from_dtype(dtype), 1, "C")
    extra = tuple(args) if shared is None else (*map(_row, args), *shared)
    first = types.Array(types.complex128, 1, "C") if given.form == "cs" else x
    fun_takes = (first, x, *extra) if given.form == "inplace" else (first, *extra)
    fun, fun_returns = compile_for(given.fun, fun_takes, "fun", given.form)
    jac, jac_takes, jac_returns = fun, fun_takes, fun_returns
    if given.jac is not None:
        jac_takes = (x, *extra)
        jac, jac_returns = compile_for(given.jac, jac_takes, "jac", "gradient")
    by_address = objective.by_address(fun_returns), objective.by_address(jac_returns)
    addresses = objective.address_of(fun, fun_takes), objective.address_of(jac, jac_takes)
    calls, cached, what = by_address, True, f"{given.form} {fun_returns} {jac_returns}"
    if inline:
        calls = tuple(link(objective.direct, function=_inlined(f)) for f in (fun, jac))
        # A closure may be made anew with other numbers again and again; its loops would fill the disk.
        cached = not (fun.py_func.__closure__ or jac.py_func.__closure__)
    evaluate = looped.evaluation(given.form, *calls, flags.reads_value)
    alone = looped.evaluation(given.form, *by_address, True)
    loop = looped.kernel(
        rule, evaluate, flags, x, args, shared=shared, in_parallel=in_parallel, what=what, cached=cached
    )
    once = looped.evaluation_kernel(alone, x, types.Tuple(extra), what=what)
    each = None
    if shared is not None:
        each = looped.evaluation_kernel(alone, x, args, shared=shared, in_parallel=in_parallel, what=what)
    return Plan(loop, once, each, addresses, (fun, jac), {})


def interpreted_plan(given: Objective, rule, dtype, flags) -> Plan:
    """For Python functions."""
    jac = _checked(given.jac, "gradient") if given.jac is not None else None
    fun = _checked(given.fun, given.form)
    loop = looped.interpreted(rule, given.form, fun, jac, flags, dtype)
    evaluate = looped.python_evaluation(given.form, fun, jac, True)
    return Plan(loop, lambda f, j, args, x, g, low, high: evaluate(f, j, x, g, args, low, high), None, (0, 0), None, {})


def compile_for(function, takes, role, form):
    """Compile a user's Numba function for these types: a function that has them, and what it returns."""
    name = function.py_func.__name__
    names = {"inplace": ["x", "grad"], "loss": ["params", "grads"]}.get(form, ["x"])
    names = names + [f"arg{i}" for i in range(1, len(takes) - len(names) + 1)]
    call = f"{role}({', '.join(names)}) -> {RETURNS.get(form, 'float')}"
    try:
        inspect.signature(function.py_func).bind(*takes)
    except TypeError:
        signature = inspect.signature(function.py_func)
        raise TypeError(f"{role} must be callable as {call}, but it is {name}{signature}") from None
    fixed = not function._can_compile and takes not in function.overloads  # compiled for other types only
    if fixed or not _has_arity(function.py_func, len(takes)):
        function = _of_arity(function, len(takes))
    try:
        if takes not in function.overloads:
            function.compile(takes)
    except NumbaError as error:
        raise TypeError(f"{role} must compile as {call}, but {name} does not: {first_reason(error)}") from error
    returns = function.overloads[takes].signature.return_type
    if not _returns_rightly(returns, form):
        raise TypeError(f"{role} must be callable as {call}, but {name} returns {shorten(str(returns))}")
    return function, returns


def _inlined(function):
    """The same function, which LLVM must inline: references counted around a call would cost more than the call."""
    options = {name: value for name, value in function.targetoptions.items() if name != "nopython"}
    return njit(**options | {"forceinline": True})(function.py_func)


RETURNS = {True: "(float, array)", "gradient": "array", "cs": "complex"}


def _has_arity(function, n):
    """Whether it has just n parameters: defaults and ``*args`` would change what is passed at its address."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    return kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * n


def _of_arity(function, n):
    """A function of n arguments that calls this one."""
    names = ", ".join(f"a{i}" for i in range(n))
    return njit(eval(f"lambda {names}: function({names})", {"function": function}))


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
    return isinstance(kind, (types.Float, types.Integer))


def _is_vector(kind):
    return isinstance(kind, types.Array) and kind.ndim == 1 and isinstance(kind.dtype, types.Float)


def _row(kind):
    """What ``a[i]`` is of an array of this type."""
    if not isinstance(kind, types.Array):
        raise TypeError(f"args must be arrays with a leading axis of problems, got {kind}")
    layout = "A" if kind.layout == "F" else kind.layout  # a row of an array in Fortran order has strides
    return kind.copy(ndim=kind.ndim - 1, layout=layout) if kind.ndim > 1 else kind.dtype


def _checked(function, form):
    """A Python function whose result is looked at, so that a wrong one is one sentence."""

    def call(*arguments):
        out = function(*arguments)
        name = getattr(function, "__name__", describe(function))
        if form is True:
            if not isinstance(out, tuple) or len(out) != 2:
                raise TypeError(f"fun must return (f, g) with jac=True, but {name} returned {describe(out)}")
            return _number(out[0], name), np.asarray(out[1])
        return np.asarray(out) if form == "gradient" else _number(out, name, complex if form == "cs" else float)

    return call


def _number(value, name, kind=float):
    try:
        return kind(np.asarray(value).item())
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a number, but {name} returned {describe(value)}") from None
