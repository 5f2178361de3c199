"""The rules as methods of ``scipy.optimize.minimize``."""

import warnings
from functools import partial

from ..errors import describe
from .minimize import minimize
from .options import known_options, rule_named


def method(name):
    """A ``method=`` for ``scipy.optimize.minimize``.

    It follows SciPy's protocol for custom methods: ``tol`` sets ``gtol``, ``bounds`` are honoured by projection,
    ``callback`` takes either form, ``jac=None`` means exact derivatives ("forward") of a Numba function, and central
    differences ("3-point") of a Python function. The loop is compiled where ``fun`` and ``jac`` are Numba functions.

    Parameters
    ----------
    name : str or Rule
        What :func:`fastopt.minimize` takes as ``method``. The options are also those of :func:`fastopt.minimize`.

    Returns
    -------
    callable
        Unknown options are ignored with an OptimizeWarning. ``hess`` and ``hessp`` are not used; constraints raise
        ValueError.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> res = minimize(rosen, [0.5, 1.5], jac=rosen_der, method=fastopt.method("adam"), options={"lr": 0.05})
    >>> res.success, res.x.round(2)
    (True, array([1., 1.]))
    """
    rule = rule_named(name)
    solve = partial(_solve, rule)  # which can be pickled
    solve.__name__ = rule.name  # type: ignore[attr-defined]
    return solve


def _solve(
    rule, fun, x0, args=(), jac=None, hess=None, hessp=None, bounds=None, constraints=(), callback=None, **options
):
    if constraints is not None and (not isinstance(constraints, (tuple, list, dict)) or len(constraints)):
        raise ValueError(f"constraints must be empty for {rule.name}, got {describe(constraints)}")
    known = known_options(rule)
    unknown = [key for key in options if key not in known and key != "tol"]
    if unknown:
        from scipy.optimize import OptimizeWarning

        text = f"unknown options of {rule.name} are left out: {', '.join(unknown)}"
        warnings.warn(text, OptimizeWarning, stacklevel=3)
    tol = options.get("tol")
    options = {key: value for key, value in options.items() if key in known}
    fun, jac = _unwrap(fun, jac)
    return minimize(fun, x0, args, rule, jac, bounds=bounds, tol=tol, callback=callback, options=options)


def _unwrap(fun, jac):
    """What the user gave: SciPy hands ``jac=True`` on as two functions that share a memory."""
    if jac is None or jac is False:
        return fun, None
    if type(fun).__name__ == "MemoizeJac" and hasattr(fun, "fun"):
        return fun.fun, True
    return fun, jac
