"""Whether a gradient is that of its function: it is held against central differences."""

from typing import NamedTuple

import numpy as np

from .arrays.host import refuse_device
from .arrays.nests import flatten, rebuild
from .arrays.returned import number_of
from .errors import describe
from .kernels.loops.objective import precision, step
from .solve.arguments import start
from .solve.objective import check_arity, evaluation_in_python, objective_of
from .solve.unwritten import refuse_unwritten, unwritten
from .train.arguments import as_arguments


class GradientCheck(NamedTuple):
    """Where a gradient differs most from central differences.

    Attributes
    ----------
    error : float
        The difference, relative to ``expected`` where that is larger than 1. Of a right gradient it is about 1e-8 (1e-3
        in float32); infinite where the gradient is not finite.
    where : str
        The element: ``"grad[1]"``, or ``"grads['W'][0, 3]"`` for parameters of `fastopt.fit`.
    given, expected : float
        The element as the function wrote it, and by central differences.

    Examples
    --------
    >>> import fastopt
    >>> found = fastopt.check_grad(lambda x: (x[0] ** 2, -2 * x), [1.0], jac=True)
    >>> found.where, round(found.error, 6)
    ('grad[0]', 2.0)
    """

    error: float
    where: str
    given: float
    expected: float


def check_grad(fun, x0, args=(), jac="inplace") -> GradientCheck:
    """Hold a gradient against central differences, and say where it differs most.

    A wrong sign or a forgotten term shows at once; a minimisation would run uphill, or end where there is no minimum.

    Parameters
    ----------
    fun : callable
        As for :func:`fastopt.minimize`, or ``loss_and_grad`` of :func:`fastopt.fit`. It is called twice for each
        element of x0, so take a small case.
    x0 : array, or with ``jac="fit"`` a nest of arrays
        Where to look; not written. Not a minimum, where all gradients vanish.
    args : tuple
        Further arguments of ``fun``; with ``jac="fit"`` the arrays of a batch.
    jac : callable, True, "inplace", "cs" or "fit"
        The gradient, as for :func:`fastopt.minimize`; "fit" for the loss of :func:`fastopt.fit`, whose gradients are
        zero before each call.

    Returns
    -------
    GradientCheck
        ``error where given expected``.

    Raises
    ------
    TypeError, ValueError
        As :func:`fastopt.minimize`; also where ``fun`` leaves an element of its gradient unwritten.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> def fun(x, grad):
    ...     grad[0], grad[1] = 2 * x[0], -3 * x[1] ** 2  # the sign of the second is wrong
    ...     return x[0] ** 2 + x[1] ** 3
    >>> found = fastopt.check_grad(fun, [1.0, 2.0])
    >>> found.where, found.given, round(found.expected, 6)
    ('grad[1]', -12.0, 12.0)

    >>> def loss_and_grad(params, grads, X, y):
    ...     r = X @ params.w + params.b - y
    ...     grads.w[:] += X.T @ r
    ...     grads.b[:] += r.sum()
    ...     return 0.5 * r @ r
    >>> params = {"w": np.ones(2), "b": np.zeros(1)}
    >>> fastopt.check_grad(loss_and_grad, params, (np.eye(3, 2), np.ones(3)), jac="fit").error < 1e-6
    True
    """
    args = args if isinstance(args, tuple) else (args,)
    of_this_form = _of_loss if isinstance(jac, str) and jac == "fit" else _of_objective
    names, points, gradients, value = of_this_form(fun, x0, args, jac)
    worst = GradientCheck(0.0, "", 0.0, 0.0)
    given = [g.copy() for g in gradients]
    for name, x, g in zip(names, points, given):
        for at in np.ndindex(x.shape):
            expected = _central(value, x, at)
            error = abs(float(g[at]) - expected) / max(1.0, abs(expected))
            error = error if error < np.inf else np.inf
            if error > worst.error or not worst.where:
                worst = GradientCheck(error, f"{name}{list(map(int, at)) or '[()]'}", float(g[at]), expected)
    return worst


def _central(value, x, at):
    """The derivative to one element of x, which is put back."""
    keep = x[at]
    h = step(float(keep), precision(x) ** (1 / 3))
    x[at] = keep + h
    above, right = value(), float(x[at])
    x[at] = keep - h
    below, left = value(), float(x[at])
    x[at] = keep
    return (above - below) / (right - left)


def _of_objective(fun, x0, args, jac):
    """Names of arrays, the arrays and their gradients, and a function of nothing that returns the value."""
    given = objective_of(fun, jac)
    x = start(x0)
    check_arity(given, len(args))
    evaluate, g, none = evaluation_in_python(given), unwritten(x.shape, x.dtype), x[:0]
    first = evaluate(None, None, x, g, args, none, none)
    if given.form == "inplace":
        refuse_unwritten(g, first)
    return ["grad"], [x], [g], lambda: evaluate(None, None, x, np.empty_like(g), args, none, none)


def _of_loss(loss, params, args, jac):
    """The same for a loss of ``fit``."""
    if not callable(loss):
        raise TypeError(f"fun must be callable, got {describe(loss)}")
    leaves = []
    for name, leaf in flatten(params, "x0"):
        refuse_device(name, leaf)
        if not isinstance(leaf, np.ndarray) or leaf.dtype not in (np.float32, np.float64):
            raise TypeError(f"{name} must be an array of float32 or float64 with jac='fit', got {describe(leaf)}")
        leaves.append(leaf.copy())
    grads = rebuild(params, iter([np.zeros_like(leaf) for leaf in leaves]))
    names, gradients = zip(*flatten(grads, "grads"))
    handed = as_arguments(rebuild(params, iter(leaves))), as_arguments(grads)

    def value():
        for g in gradients:
            g[...] = 0.0
        return number_of(loss(*handed, *args), "loss_and_grad must return the loss as a number, got")

    value()
    return names, leaves, gradients, value
