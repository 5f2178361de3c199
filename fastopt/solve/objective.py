"""A user's objective: in which form it comes, and how a compiled loop gets hold of it."""

import contextlib
from functools import cache
from typing import Any, NamedTuple

import numba
from numba import config, njit, types
from numba.core.dispatcher import Dispatcher

from ..arrays.returned import COMPLEX, REAL, number_of, reals_of
from ..errors import describe, shorten
from ..kernels import minimize as looped
from ..kernels.addresses import address_of, by_address
from ..kernels.bind import WITHOUT_ENTRY
from ..kernels.drafts import Drafting
from ..kernels.functions import call_of, compile_for, remembered
from ..kernels.loops import objective
from ..linking import link

JACS = "a function, True, None, 'inplace', 'forward', '2-point', '3-point' or 'cs'"


class Objective(NamedTuple):
    """``form`` is "forward" or one of :data:`fastopt.kernels.minimize.FORMS`; ``jac`` is None but in the form "jac"."""

    form: Any
    fun: Any
    jac: Any
    is_compiled: bool
    value: Any = None  # the user's function, where ``fun`` was made of it by :func:`with_gradient`

    def evaluations(self, points, d, reads_value):
        """How often the functions were called for this many points: (of the objective, of its gradient)."""
        per_point = {"jac": int(reads_value), "2-point": d + 1, "3-point": 2 * d + 1, "cs": d + int(reads_value)}
        return per_point.get(self.form, 1) * points, points


def reads_value(given, s):
    """Whether the loop is to look at the value: because a test does, because it is known anyway, or, where ``maxfun``
    leaves no evaluation for the end, because it is cheap."""
    limited = s.maxfun is not None and given.form != "jac"
    return s.best or s.ftol > 0.0 or given.form in (True, "2-point", "3-point") or limited


def objective_of(fun, jac) -> Objective:
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {describe(fun)}")
    if callable(jac):
        form: Any = "jac"
    elif jac is True or (isinstance(jac, str) and jac in {*looped.FORMS, "forward"} - {"jac"}):
        form, jac = jac, None
    elif jac is None:
        is_python = config.DISABLE_JIT or not hasattr(fun, "py_func")  # which device functions have, too
        form = "3-point" if is_python else "forward"  # the noise of "2-point" is often above gtol
    else:
        raise ValueError(f"jac must be {JACS}, got {describe(jac)}")
    is_compiled = isinstance(fun, Dispatcher) and (jac is None or isinstance(jac, Dispatcher))
    return Objective(form, fun, jac, is_compiled and not config.DISABLE_JIT)


def with_gradient(given: Objective, d) -> Objective:
    """The objective in a form that a loop takes, for d variables: in place, where the user wrote the value alone."""
    if given.form != "forward":
        return given
    if not given.is_compiled:
        raise TypeError(f"fun must be a Numba function (put @njit on it) with jac='forward', got {describe(given.fun)}")
    from ..kernels.forward import value_and_grad

    return given._replace(form="inplace", fun=value_and_grad(given.fun, d), value=given.fun)


def check_arity(given, count):
    """Raise unless the functions, plain ones, can be called with x and so many arguments more."""
    functions = {"fun": (given.fun, given.form), "jac": (given.jac, "gradient")}
    for role, (function, form) in functions.items():
        with contextlib.suppress(ValueError):  # a builtin without a signature
            if function is not None:
                call_of(getattr(function, "py_func", function), count + 1 + (form == "inplace"), role, form)


class Plan(NamedTuple):
    """How to run an objective: kernels of kernels/minimize.py, and what they take as ``fun`` and ``jac``.

    ``once`` is a function that returns its kernel, compiled when it is first asked for: few calls need it.
    """

    loop: Any
    once: Any
    addresses: tuple[int, int]
    keeps: Any  # the functions at the addresses
    pace: dict  # by the sizes of x and args: how many iterations a slice had, when it was last run


@remembered(lambda given, *_: (given.fun, given.jac), maxsize=256)
def compiled_plan(given: Objective, rule, dtype, args, flags, inline) -> Plan:
    """For Numba functions; ``args`` are Numba types. Compiled, or taken from the disk cache."""
    x, extra = types.Array(numba.from_dtype(dtype), 1, "C"), tuple(args)
    lent, compiled = compiled_for_x(given, x, extra)
    (fun, fun_takes, fun_returns), (jac, jac_takes, jac_returns) = compiled[0], compiled[-1]
    called = by_address(fun_returns), by_address(jac_returns)
    addresses = address_of(fun, fun_takes), address_of(jac, jac_takes)
    calls, cached, what = called, True, f"{given.form} {fun_returns} {jac_returns}"
    if inline:
        calls = tuple(link(objective.direct, function=_inlined(f)) for f in (fun, jac))
        # A closure may be made anew with other numbers again and again; its loops would fill the disk.
        cached = not any(f.py_func.__closure__ for f in (fun, jac, given.value or fun))
    evaluate = looped.evaluation(given.form, *calls, flags.reads_value, lent)
    alone = looped.evaluation(given.form, *called, True, lent)
    loop = looped.kernel(rule, evaluate, flags, x, args, what=what, cached=cached)

    @cache
    def once():
        return looped.evaluation_kernel(alone, x, types.Tuple(extra), what=what)

    return Plan(loop, once, addresses, (fun, jac), {})


def compiled_for_x(given, x, extra):
    """How the functions are given x, and each with what it takes and returns, for these types.

    They cannot change the iterate: compiled for an x that is read only, at no cost; a copy each time where one of them
    writes to its x, or takes none that it could not.
    """
    first = types.Array(types.complex128, 1, "C") if given.form == "cs" else x
    fun_takes = (first, x, *extra) if given.form == "inplace" else (first, *extra)
    functions = [(given.fun, fun_takes, "fun", given.form)]
    if given.jac is not None:
        functions.append((given.jac, (x, *extra), "jac", "gradient"))
    try:
        read_only = [(f, (takes[0].copy(readonly=True), *takes[1:]), *more) for f, takes, *more in functions]
        return objective.read_only, [_with_types(*each) for each in read_only]
    except TypeError:
        if given.value is None:
            return objective.copied, [_with_types(*each) for each in functions]
        from ..kernels.forward import refuse

        refuse(given.value, given.fun, x.dtype, extra)
        raise


def _with_types(function, takes, role, form):
    compiled, returns = compile_for(function, takes, role, form)
    return compiled, takes, returns


def interpreted_plan(given: Objective, rule, dtype, flags) -> Plan:
    """For Python functions."""
    fun, jac = _both_checked(given)
    loop = looped.interpreted(rule, given.form, fun, jac, flags, dtype)
    once = looped.interpreted_once(evaluation_in_python(given))
    return Plan(loop, lambda: once, (0, 0), None, {})


def evaluation_in_python(given: Objective):
    """``evaluate`` of loops/minimize.py, with the value."""
    fun, jac = _both_checked(given)
    return looped.python_evaluation(given.form, fun, jac, True)


def _both_checked(given):
    jac = _checked(given.jac, "gradient") if given.jac is not None else None
    return _checked(given.fun, given.form), jac


def _inlined(function):
    """The same function, which LLVM must inline: references counted around a call would cost more than the call.

    Numba's own ``inline`` would compile its body with the options of the loop.
    """
    options = {name: value for name, value in function.targetoptions.items() if name not in ("nopython", "inline")}
    options |= WITHOUT_ENTRY | {"forceinline": True, "pipeline_class": Drafting}
    return njit(**options, locals=function.locals)(function.py_func)


def _checked(function, form):
    """A Python function whose result is looked at, so that a wrong one is one sentence."""
    name = shorten(getattr(function, "__name__", type(function).__name__), 40)
    number = f"fun must return a {'complex ' if form == 'cs' else ''}number, but {name} returned"
    pair = f"fun must return (f, g) with jac=True, but {name} returned"
    gradient = f"the gradient must be an array of real numbers, but {name} returned"

    def call(*arguments):
        out = function(*arguments)
        if form is True:
            if not isinstance(out, tuple) or len(out) != 2:
                raise TypeError(f"{pair} {describe(out)}")
            return number_of(out[0], number), reals_of(out[1], gradient)
        if form == "gradient":
            return reals_of(out, gradient)
        return number_of(out, number, COMPLEX if form == "cs" else REAL)

    return call
