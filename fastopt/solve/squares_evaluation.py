"""How the residuals of a Numba function are summed: on how many lanes, and by which compiled code."""

import inspect
from typing import Any, NamedTuple

import numba
from numba import config, types
from numba.core.dispatcher import Dispatcher

from ..errors import describe, shorten
from ..kernels import least_squares as kernels
from ..kernels.addresses import address_of
from ..kernels.bind import first_reason
from ..kernels.evaluations import Kinds
from ..kernels.functions import remembered
from ..numbers.element import Element
from .arguments import argument_types
from .evaluation import WIDTH, reason

LARGEST = 16  # variables: more sums than that would not stay near the registers


class Evaluation(NamedTuple):
    """A compiled evaluation. ``kinds`` says how its context is described."""

    run: Any
    address: int
    kinds: Kinds
    function: Any


class Model(NamedTuple):
    """A user's function: ``curve`` is None for one that writes residuals, else the places of arrays (``curve`` of
    kernels/least_squares.py); ``role`` and ``call`` are how it is named in a refusal."""

    function: Any
    curve: Any
    role: str
    call: str


def check_function(role, function):
    if config.DISABLE_JIT or not isinstance(function, Dispatcher):
        raise TypeError(f"{role} must be a Numba function: put @njit on it, got {describe(function)}")


def check_call(role, function, names, returns=""):
    """How a user's function, a plain one, is called with arguments of these names; raises where it cannot be."""
    call, signature = f"{role}({', '.join(names)}){returns}", inspect.signature(function)
    try:
        signature.bind(*names)
    except TypeError:
        given = shorten(f"{function.__name__}{signature}", 100)
        raise TypeError(f"{role} must be callable as {shorten(call, 120)}, got {given}") from None
    return call


def check_curve(function, d):
    """How f is called, with the names that it has itself; raises where it cannot be."""
    names = [*inspect.signature(function).parameters][1:]
    return check_call("f", function, ["t", *(names if len(names) == d else (f"p{i}" for i in range(d)))], " -> float")


def check_size(name, d):
    if not 1 <= d <= LARGEST:
        raise ValueError(f"{name} must have from 1 to {LARGEST} parameters for each problem, got {d}")


def evaluation_of(model, dtype, d, own, shared, loss, lanes) -> Evaluation:
    """On so many lanes, or on as many as the function and its arguments allow; ``own`` are the types of ``args``.

    Raises if it does not compile.
    """
    scalar = numba.from_dtype(dtype)
    whole = tuple(argument_types(shared, "shared")) if shared else ()
    if lanes == 1:
        return _compiled(model, scalar, d, own, whole, loss, 1)
    others = [i for i, kind in enumerate(own) if kind.dtype != scalar]
    why = f"args[{others[0]}] must have the dtype of X0, {dtype}, for it" if others else None
    if why is None:
        found = _side_by_side(model, scalar, d, own, whole, loss, lanes or WIDTH // dtype.itemsize)
        if isinstance(found, Evaluation):
            return found
        why = found
    if lanes is not None:
        raise TypeError(f"lanes must be None or 1 here, got {lanes}: {why}")
    return _compiled(model, scalar, d, own, whole, loss, 1)


@remembered(lambda model, *_: (model.function,), maxsize=256)
def _side_by_side(*which) -> Evaluation | str:
    """The evaluation, or why there is none."""
    try:
        return _made(*which)
    except Exception as error:  # whatever Numba raises where it meets numbers that it does not know
        return reason(first_reason(error))


@remembered(lambda model, *_: (model.function,), maxsize=256)
def _compiled(model, *which) -> Evaluation:
    try:
        return _made(model, *which)
    except Exception as error:
        name, call = shorten(model.function.py_func.__name__, 40), shorten(model.call, 80)
        returned = model.curve is not None and _no_number(model.function)
        if returned:
            raise TypeError(f"{model.role} must be callable as {call}, got {name}, which returns {returned}") from None
        raise TypeError(
            f"{model.role} must compile as {call} for dual numbers, got {name}: {first_reason(error)}"
        ) from error


def _no_number(function):
    """What a function of duals returned, if that was none."""
    from ..kernels.forward import for_duals

    kinds = [made.signature.return_type for made in for_duals(function).overloads.values()]
    return next((shorten(str(kind), 40) for kind in kinds if not isinstance(kind, (types.Number, Element))), None)


def _made(model, scalar, d, args, shared, loss, lanes) -> Evaluation:
    from ..kernels.forward import for_duals

    kinds, function = Kinds(scalar, args, shared, lanes), for_duals(model.function)
    fill = kernels.by_residuals if model.curve is None else kernels.curve(*model.curve)
    # A closure may be made anew with other numbers again and again; its evaluations would fill the disk.
    run = kernels.evaluation(kinds, function, fill, d, loss, cached=not model.function.py_func.__closure__)
    return Evaluation(run, address_of(run, kernels.KIND.args), kinds, model.function)
