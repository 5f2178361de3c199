"""How ``minimize_many`` evaluates a Numba function: on how many lanes, and by which compiled code."""

from typing import Any, NamedTuple

import numba

from ..errors import shorten
from ..kernels import minimize as looped
from ..kernels.addresses import address_of
from ..kernels.bind import first_reason
from ..kernels.evaluations import KIND, Kinds
from ..kernels.functions import remembered
from ..kernels.loops import objective
from ..linking import link
from .arguments import argument_types
from .objective import Objective, compiled_for_x

WIDTH = 64  # bytes that lanes fill: one register of AVX-512, two of AVX2
LARGE = 256  # variables beyond which lanes do not stay in a processor's cache, and one problem fills registers itself
SIDE_BY_SIDE = ("inplace", True, "jac")  # forms that are not differences


class Evaluation(NamedTuple):
    """A compiled evaluation. ``kinds`` says how its context is described."""

    run: Any
    address: int
    kinds: Kinds
    keeps: Any  # the functions that it calls

    @property
    def lanes(self):
        return self.kinds.lanes


def evaluation_of(given, X, args, kinds, shared, reads_value, lanes) -> Evaluation:
    """On so many lanes, or on as many as the objective, the dtype and d allow; raises if it does not compile.

    ``kinds`` are the Numba types of ``args``.
    """
    scalar = numba.from_dtype(X.dtype)
    whole = tuple(argument_types(shared, "shared")) if shared else ()
    reads_value = reads_value or given.form not in ("jac", "cs")  # of the others the value comes with the gradient
    if lanes == 1 or (lanes is None and X.shape[1] > LARGE):
        return _compiled(given, scalar, kinds, whole, reads_value, 1)
    why = _why_not(given, X.dtype, args)
    if why is None:
        found = _side_by_side(given, scalar, kinds, whole, reads_value, lanes or WIDTH // X.itemsize)
        if isinstance(found, Evaluation):
            return found
        why = found
    if lanes is not None:
        raise TypeError(f"lanes must be None or 1 here, got {lanes}: {why}")
    return _compiled(given, scalar, kinds, whole, reads_value, 1)


def _why_not(given, dtype, args):
    """Why problems cannot be side by side, as far as the compiler need not be asked."""
    if given.form not in SIDE_BY_SIDE:
        return f"with jac={given.form!r} one problem is evaluated at a time"
    for i, a in enumerate(args):
        if a.dtype != dtype:
            return f"args[{i}] must have the dtype of X0, {dtype}, for it, and has {a.dtype}"
    return None


@remembered(lambda given, *_: (given.fun, given.jac), maxsize=256)
def _side_by_side(*which) -> Evaluation | str:
    """The evaluation, or why there is none."""
    try:
        return _compiled(*which)
    except Exception as error:  # whatever Numba raises where it meets numbers that it does not know
        return reason(first_reason(error.__cause__ or error))


def reason(text):
    if "built-in function truth" in text:
        text = f"it branches on what differs between problems (numpy.where does not){text[text.find(', in: ') :]}"
    return shorten(text, 200)


@remembered(lambda given, *_: (given.fun, given.jac), maxsize=256)
def _compiled(given: Objective, scalar, args, shared, reads_value, lanes) -> Evaluation:
    kinds = Kinds(scalar, args, shared, lanes)
    lent, functions = compiled_for_x(given, kinds.x, kinds.given())
    (fun, _, fun_returns), (jac, _, jac_returns) = functions[0], functions[-1]
    call_fun, call_jac = (link(objective.direct, function=f) for f in (fun, jac))
    evaluate = looped.evaluation(given.form, call_fun, call_jac, reads_value, lent)
    # A closure may be made anew with other numbers again and again; its evaluations would fill the disk.
    cached = not (fun.py_func.__closure__ or jac.py_func.__closure__)
    run = kinds.compiled(evaluate, f"{given.form} {fun_returns} {jac_returns}", cached)
    return Evaluation(run, address_of(run, KIND.args), kinds, (fun, jac))
